// Loaded with the dialog that needs it.
import { parse as fromToml, stringify as toToml } from 'smol-toml';
import type { Json } from '#lib/contracts.ts';
import type { Language } from '#lib/code/editor.ts';
import { withValue } from './draft.svelte.ts';

type Tree = { [key: string]: Json };
type Said = { path: string; value: Json };
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a scope says, as `qi settings export` writes it. Throws for what TOML cannot say. */
export function written(settings: Said[], language: Language): string {
	const tree = settings.reduce<Json>((made, one) => withValue(made, one.path.split('.'), one.value), {}) as Tree;
	if (language === 'json') return JSON.stringify(tree, null, 2) + '\n';
	const empty = settings.filter((one) => holdsNull(one.value)).map((one) => one.path);
	if (empty.length) throw new Error(`TOML cannot say that a value is empty: ${empty.join(', ')}. Use JSON.`);
	return toToml(tree);
}

/** The settings that a text names, value by value. Throws with what is wrong with it. */
export function read(text: string, language: Language): Said[] {
	const said = (language === 'json' ? JSON.parse(text) : fromToml(text)) as Json;
	if (!isTree(said)) throw new Error('It holds no settings: they stand below the names of their addons.');
	return leaves(said, []);
}

function leaves(tree: Tree, above: string[]): Said[] {
	return Object.entries(tree).flatMap(([key, value]) =>
		isTree(value) && Object.keys(value).length ? leaves(value, [...above, key]) : [{ path: [...above, key].join('.'), value: plain(value) }]
	);
}

/** TOML's own dates and large numbers have no place in settings: they become text, and the schema says what it thinks. */
const plain = (value: Json): Json => JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one))) as Json;

const holdsNull = (value: Json): boolean => value === null || (Array.isArray(value) ? value.some(holdsNull) : isTree(value) && Object.values(value).some(holdsNull));
