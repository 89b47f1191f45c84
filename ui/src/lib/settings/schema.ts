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

export type Kind = 'boolean' | 'integer' | 'number' | 'string' | 'text' | 'colour' | 'choice' | 'secret' | 'list' | 'json';

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
	/** The item of a list with names that it belongs to, and whether the item may be taken away. */
	item: string;
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
	if (schema.format === 'color') return of('colour');
	if (schema.qi?.widget === 'text') return of('text');
	if (schema.type === 'array' && resolve(schema.items ?? {}, root).type === 'string') return of('list');
	if (schema.type === 'boolean' || schema.type === 'integer' || schema.type === 'number' || schema.type === 'string') return of(schema.type);
	return of('json');
}

/** The values that a form shows, in the schema's order. `values` tell which items a list with names has. */
export function leaves(root: Schema, addon: string, values: Json): Leaf[] {
	const out: Leaf[] = [];

	function walk(raw: Schema, path: string, value: Json, under: string[], scopes: string[], item: string) {
		let section = '';
		for (const [name, part] of Object.entries(raw.properties ?? {})) {
			const schema = resolve(part, root);
			section = schema.qi?.section ?? section;
			const here = `${path}.${name}`;
			const allowed = schema.qi?.scopes ?? scopes;
			const title = schema.title && !schema.properties ? schema.title : (part.title ?? words(name));
			const heads = section && !under.includes(section) ? [...under, section] : under;
			const there = isMap(value) ? (value[name] ?? null) : null;
			const isNamed = schema.format === 'named-list' && isMap(there);
			if (isNamed) {
				const inner = resolve((schema.additionalProperties as Schema).anyOf?.[0] ?? {}, root);
				const order = Array.isArray(there['@order']) ? there['@order'].map(String) : [];
				const names = [...new Set([...order, ...Object.keys(there)])].filter((one) => one !== '@order' && isMap(there[one]));
				for (const one of names) walk(inner, `${here}.${one}`, there[one] ?? null, [...heads, title, one], allowed, `${here}.${one}`);
			} else if (schema.properties && !schema.qi?.group && schema.format !== 'secret' && schema.format !== 'named-list') {
				walk(schema, here, there, [...heads, title], allowed, item);
			} else {
				const found = kindOf(schema, root);
				out.push({ path: here, title, under: heads, scopes: allowed, parent: path, item, ...found });
			}
		}
	}
	walk(resolve(root, root), addon, values, [], SCOPES, '');
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
