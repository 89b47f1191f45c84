import type { Json } from '#lib/contracts.ts';

/** What Qi's settings schemas say: JSON Schema, and under `qi` what only forms need. */
export interface Schema {
	$ref?: string;
	$defs?: { [name: string]: Schema };
	type?: string | string[];
	title?: string;
	description?: string;
	format?: string;
	enum?: Json[];
	const?: Json;
	default?: Json;
	properties?: { [name: string]: Schema };
	additionalProperties?: Schema | boolean;
	patternProperties?: { [pattern: string]: Schema };
	required?: string[];
	items?: Schema;
	anyOf?: Schema[];
	allOf?: Schema[];
	minimum?: number;
	maximum?: number;
	exclusiveMinimum?: number;
	exclusiveMaximum?: number;
	multipleOf?: number;
	maxLength?: number;
	pattern?: string;
	qi?: {
		section?: string;
		placeholder?: string;
		widget?: string;
		group?: boolean;
		required?: boolean;
		resolver?: string;
		scopes?: string[];
		secret?: boolean;
		visible_if?: { [sibling: string]: Json[] };
		enabled_if?: { [sibling: string]: Json[] };
	};
}

/** `list` is of texts, `items` of anything else; `map` has keys of its own, `object` the schema's; `named` is a list whose items have names. */
export type Kind = 'boolean' | 'integer' | 'number' | 'string' | 'text' | 'colour' | 'choice' | 'secret' | 'list' | 'items' | 'map' | 'object' | 'named' | 'json';

/** One value of a form. */
export interface Leaf {
	/** Dotted, beginning with the addon's name. */
	path: string;
	title: string;
	kind: Kind;
	schema: Schema;
	/** Headings it stands under, from the outside. */
	under: string[];
	scopes: string[];
	choices: Json[];
	nullable: boolean;
	/** Dotted path of what it stands in: conditions name its siblings. */
	parent: string;
	/** The whole schema: what a part refers to is found in it. */
	root: Schema;
}

const SCOPES = ['bundle', 'project', 'user'];

export function resolve(schema: Schema, root: Schema): Schema {
	let now = schema;
	for (let depth = 0; depth < 8; depth++) {
		if (now.$ref) now = { ...(root.$defs?.[now.$ref.split('/').at(-1) ?? ''] ?? {}), ...now, $ref: undefined };
		else if (now.allOf?.length === 1) now = { ...now.allOf[0], ...now, allOf: undefined };
		else break;
	}
	return now;
}

const words = (name: string) => name.replaceAll('_', ' ').replace(/^./, (first) => first.toUpperCase());
const isMap = (value: unknown): value is { [key: string]: Json } => typeof value === 'object' && value !== null && !Array.isArray(value);

function kindOf(schema: Schema, root: Schema): { kind: Kind; nullable: boolean; choices: Json[]; schema: Schema } {
	if (schema.anyOf) {
		const some = schema.anyOf.map((one) => resolve(one, root));
		const real = some.filter((one) => one.type !== 'null');
		const nullable = real.length < some.length;
		if (real.length !== 1) return { kind: 'json', nullable, choices: [], schema };
		return { ...kindOf({ ...real[0], ...schema, anyOf: undefined }, root), nullable };
	}
	const of = (kind: Kind, choices: Json[] = []) => ({ kind, nullable: false, choices, schema });
	if (schema.format === 'secret') return of('secret');
	if (schema.enum) return of('choice', schema.enum);
	if (schema.format === 'colour') return of('colour');
	if (schema.qi?.widget === 'text') return of('text');
	if (schema.type === 'array' && schema.items) return of(isPlainText(resolve(schema.items, root)) ? 'list' : 'items');
	if (schema.type === 'object') {
		if (schema.properties && schema.additionalProperties === false) return of('object');
		if (!schema.properties && itemOf(schema, root)) return of('map');
	}
	if (schema.type === 'boolean' || schema.type === 'integer' || schema.type === 'number' || schema.type === 'string') return of(schema.type);
	return of('json');
}

const isPlainText = (schema: Schema) => schema.type === 'string' && !schema.enum && !schema.format;

/** What the items of a list, or the values of a map, are; undefined when the schema does not say. */
export function itemOf(schema: Schema, root: Schema): Schema | undefined {
	const said = schema.items ?? Object.values(schema.patternProperties ?? {})[0] ?? schema.additionalProperties;
	return typeof said === 'object' ? resolve(said, root) : undefined;
}

/** The items of a list with names, in their order. */
export function namesOf(value: Json | undefined): string[] {
	if (!isMap(value)) return [];
	const order = Array.isArray(value['@order']) ? value['@order'].map(String) : [];
	const there = Object.keys(value).filter((one) => one !== '@order' && isMap(value[one]));
	return [...new Set([...order.filter((one) => there.includes(one)), ...there.sort()])];
}

/** A part of a value, as a value of its own: an item of a list, a member of an object. */
export function partOf(leaf: Leaf, raw: Schema, name: string): Leaf {
	const schema = resolve(raw, leaf.root);
	return { ...leaf, path: `${leaf.path}.${name}`, title: schema.title ?? words(name), ...kindOf(schema, leaf.root) };
}

/** What a new item begins with. */
export function fresh(raw: Schema, root: Schema): Json {
	const schema = resolve(raw, root);
	if (schema.default !== undefined) return structuredClone(schema.default);
	if (schema.enum) return schema.enum[0] ?? null;
	if (schema.anyOf) return schema.anyOf.some((one) => resolve(one, root).type === 'null') ? null : fresh(schema.anyOf[0] ?? {}, root);
	if (schema.properties) return Object.fromEntries(Object.entries(schema.properties).map(([name, part]) => [name, fresh(part, root)]));
	const empty: Record<string, Json> = { object: {}, array: [], boolean: false, integer: schema.minimum ?? 0, number: schema.minimum ?? 0 };
	return empty[String(schema.type)] ?? '';
}

/** The values that a form shows, in the schema's order. `values` tell which items a list with names has. */
export function leaves(root: Schema, addon: string, values: Json): Leaf[] {
	const out: Leaf[] = [];

	function walk(raw: Schema, path: string, value: Json, under: string[], scopes: string[]) {
		let section = '';
		for (const [name, part] of Object.entries(raw.properties ?? {})) {
			const schema = resolve(part, root);
			section = schema.qi?.section ?? section;
			const here = `${path}.${name}`;
			const allowed = schema.qi?.scopes ?? scopes;
			const title = schema.title && !schema.properties ? schema.title : (part.title ?? words(name));
			const heads = section && !under.includes(section) ? [...under, section] : under;
			const there = isMap(value) ? (value[name] ?? null) : null;
			if (schema.format === 'named-list') {
				const inner = namedItem(schema, root);
				out.push({ path: here, title, kind: 'named', schema, under: heads, scopes: allowed, choices: [], nullable: false, parent: path, root });
				for (const one of namesOf(there)) walk(inner, `${here}.${one}`, isMap(there) ? (there[one] ?? null) : null, [...heads, title, one], allowed);
			} else if (schema.properties && !schema.qi?.group && schema.format !== 'secret') {
				walk(schema, here, there, [...heads, title], allowed);
			} else {
				const found = kindOf(schema, root);
				out.push({ path: here, title, under: heads, scopes: allowed, parent: path, root, ...found });
			}
		}
	}
	walk(resolve(root, root), addon, values, [], SCOPES);
	return out;
}

/** The value at a dotted path below `addon` in its settings. */
export function valueAt(values: Json | undefined, path: string): Json | undefined {
	let now: Json | undefined = values;
	for (const part of path.split('.').slice(1)) now = isMap(now) ? now[part] : undefined;
	return now;
}

export const same = (a: Json | undefined, b: Json | undefined) => JSON.stringify(a) === JSON.stringify(b);

/** Why a value cannot be saved; empty when it can. The service has the last word. */
export function fault(leaf: Leaf, value: Json): string {
	const { schema } = leaf;
	if (value === null) return leaf.nullable || leaf.kind === 'json' ? '' : 'Say something.';
	const inner = Array.isArray(value) || isMap(value) ? partsOf(leaf, value) : [];
	for (const [name, part, one] of inner) {
		const wrong = fault(part, one);
		if (wrong) return `${name}: ${wrong}`;
	}
	if (typeof value === 'number') {
		if (Number.isNaN(value)) return 'This is no number.';
		if (leaf.kind === 'integer' && !Number.isInteger(value)) return 'A whole number, please.';
		if (schema.minimum !== undefined && value < schema.minimum) return `At least ${schema.minimum}.`;
		if (schema.maximum !== undefined && value > schema.maximum) return `At most ${schema.maximum}.`;
		if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum) return `More than ${schema.exclusiveMinimum}.`;
		if (schema.exclusiveMaximum !== undefined && value >= schema.exclusiveMaximum) return `Less than ${schema.exclusiveMaximum}.`;
	}
	if (typeof value === 'string' && schema.maxLength !== undefined && value.length > schema.maxLength) return `At most ${schema.maxLength} characters.`;
	if (typeof value === 'string' && schema.qi?.required && !value) return 'Say something.';
	return '';
}

/** The items or members that a value is made of: what people call each, what it is, and its value. */
function partsOf(leaf: Leaf, value: Json[] | { [key: string]: Json }): [string, Leaf, Json][] {
	const item = itemOf(leaf.schema, leaf.root);
	if (Array.isArray(value)) return leaf.kind === 'items' && item ? value.map((one, i) => [`Item ${i + 1}`, partOf(leaf, item, String(i)), one]) : [];
	if (leaf.kind === 'map' && item) return Object.entries(value).map(([key, one]) => [key, partOf(leaf, item, key), one]);
	const members = leaf.kind === 'object' ? Object.entries(leaf.schema.properties ?? {}) : [];
	return members.filter(([name]) => name in value).map(([name, raw]) => [partOf(leaf, raw, name).title, partOf(leaf, raw, name), value[name] ?? null]);
}

/** What an item of a list with names is. */
export function namedItem(schema: Schema, root: Schema): Schema {
	const said = schema.additionalProperties;
	return resolve((typeof said === 'object' && (said.anyOf?.[0] ?? said)) || {}, root);
}

const NAME = /^[^.@*\s][^.*]*$/;

/** Why an item cannot be called that; empty when it can. */
export function badName(name: string, others: string[]): string {
	if (others.includes(name)) return 'There is one of this name.';
	return name.length <= 100 && NAME.test(name) ? '' : 'A name has no dot and no star, and begins with no @.';
}
