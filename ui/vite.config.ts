import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig, loadEnv } from 'vite';

// `just ui` serves the sources with a running studio behind them.
const studio = loadEnv('', '.', 'QI_').QI_SERVER ?? 'http://127.0.0.1:8765';

export default defineConfig({
	plugins: [
		tailwindcss(),
		sveltekit({
			adapter: adapter({ pages: 'dist', assets: 'dist', fallback: 'index.html' }),
			paths: { relative: false },
			// The stamp of a build is the hash of its sources; a clock in it would make every build another one.
			version: { name: 'qi' }
		})
	],
	// The content security policy allows no data: address, not for a font either.
	build: { assetsInlineLimit: 0 },
	server: {
		proxy: Object.fromEntries(
			['/auth', '/ws', '/settings', '/bundles', '/uploads', '/media', '/events', '/addons'].map((path) => [
				path,
				{ target: studio, ws: path === '/ws' }
			])
		)
	}
});
