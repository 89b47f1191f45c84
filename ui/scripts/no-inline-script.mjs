// SvelteKit starts its page with an inline script; the server's content security policy allows none. It becomes a file.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const page = 'dist/index.html';
let scripts = 0;
const html = readFileSync(page, 'utf8').replace(/<script>([\s\S]*?)<\/script>/g, (_, code) => {
	const name = `_app/immutable/start.${createHash('sha256').update(code).digest('hex').slice(0, 10)}.js`;
	writeFileSync(`dist/${name}`, code);
	scripts += 1;
	return `<script src="/${name}"></script>`;
});
if (scripts !== 1) throw new Error(`${page} has ${scripts} inline scripts, one was expected`);
writeFileSync(page, html);
