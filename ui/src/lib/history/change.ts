import type { Event as LogEvent, Json } from '#lib/contracts.ts';
import { bytes, duration, inline, several, short } from '#lib/format.ts';
import { flat } from './then';

type Data = { [key: string]: Json };
/** The name of a bundle or a project, by its id. */
export type Named = (id: string) => string | undefined;

/** One value before and after; undefined where there was none. */
export interface Line {
	path: string;
	was: Json | undefined;
	is: Json | undefined;
}

export interface Change {
	/** Whose value it is; empty where the lines say it all. */
	of: string;
	lines: Line[];
	/** How many values below it stayed as they were. */
	same: number;
}

/** A key of an event's data → the key of what was there before. */
const BEFORE: { [key: string]: string } = { bundle: 'previous', digest: 'previous_digest' };
/** Types that tell of one thing which is there from then on, or no more. */
const GIVEN: { [type: string]: 'was' | 'is' } = {
	'user.role_granted': 'is', 'user.role_revoked': 'was', 'name.claimed': 'is', 'name.released': 'was'
};
const IDS = /^([0-9a-f]{32}|[0-9a-f]{64})$/;
/** What needs no key in front of it to be understood. */
const PLAIN = ['title', 'name', 'product', 'plugin', 'key', 'outcome', 'message', 'comment', 'reason', 'path', 'role'];
/** What says nothing on one line that the others do not. */
const LEFT_OUT = ['order', 'staging', 'detail'];
const GIST_PARTS = 6;
const ONE_LINE = 60;
const CONTEXT = 2;

/** What an event says to have changed; null when it does not say what was there before. */
export function changeOf(event: LogEvent): Change | null {
	const data = event.data as Data;
	if ('old' in data && 'new' in data) {
		const was = (data.was_set ?? data.old !== null) ? data.old : undefined;
		const is = (data.is_set ?? data.new !== null) ? data.new : undefined;
		const path = Array.isArray(data.path) ? data.path : [];
		const of = [data.addon, ...path, data.variable].filter((one) => one !== undefined).join('.');
		return { of, ...between(was, is) };
	}
	const side = GIVEN[event.type];
	if (side) {
		const line = { path: '', was: undefined, is: undefined, [side]: data.role ?? data.name };
		return { of: 'role' in data ? 'role' : String(data.kind), lines: [line], same: 0 };
	}
	const pairs = Object.entries(BEFORE).filter(([, before]) => before in data);
	const pointer = event.stream.startsWith('pointer-') ? event.stream.slice('pointer-'.length) : '';
	const lines = pairs.map(([path, before]) => ({ path, was: data[before] || undefined, is: data[path] || undefined }));
	return pairs.length ? { of: pointer, lines: lines.filter((one) => !alike(one.was, one.is)), same: 0 } : null;
}

/** What an event says besides what it changed. */
export function restOf(event: LogEvent): Data {
	const told = 'old' in event.data && 'new' in event.data ? ['addon', 'path', 'variable', 'was_set', 'old', 'is_set', 'new'] : [];
	return Object.fromEntries(Object.entries(event.data as Data).filter(([key]) => !told.includes(key)));
}

/** What differs between what two events say. */
export const betweenEvents = (one: LogEvent, other: LogEvent): Change => ({ of: '', ...between(one.data, other.data) });

/** Of what, and what an event says, on one line; where there is little room, what it says comes first. */
export function gist(event: LogEvent, named: Named, saidFirst = false): string {
	const subject = subjectOf(event, named);
	const parts = [event.data.name === subject ? '' : subject, said(event, named)];
	return (saidFirst ? parts.reverse() : parts).filter(Boolean).join(' · ');
}

/** What an event says, on one line, where one knows of what. */
export function said(event: LogEvent, named: Named): string {
	const data = event.data as Data;
	const change = changeOf(event);
	if (change) {
		const { of, lines } = change;
		const one = lines.length === 1 || lines[0]?.path === 'bundle' ? lines[0] : undefined;
		const changed = one ? arrow(one, named) : several(lines.length, 'value');
		return [[of, changed].filter(Boolean).join(': '), data.label, data.reason].filter(Boolean).join(' · ');
	}
	const self = event.stream.split('-')[1];
	const given = Object.entries(data).filter(([key, value]) => !['', null, false, self].includes(value as string) && !LEFT_OUT.includes(key));
	const place = (key: string) => (PLAIN.includes(key) ? PLAIN.indexOf(key) : PLAIN.length);
	return given
		.filter(([key, value]) => (typeof value !== 'string' || !IDS.test(value) || named(value) || given.length === 1) && !(key === 'key' && 'plugin' in data))
		.sort(([one], [other]) => place(one) - place(other))
		.slice(0, GIST_PARTS)
		.map(([key, value]) => part(key, value, named))
		.filter(Boolean)
		.join(' · ');
}

/** Whose stream it is, as people call it: a bundle, a project, a publish, or whose settings. */
export function subjectOf(event: LogEvent, named: Named): string {
	const [category, token = ''] = event.stream.split('-');
	if (category === 'publish') return named(token) ?? `publish ${short(token)}`;
	if (category !== 'settings') return named(token) ?? '';
	const [scope, id = ''] = token.split('_');
	const project = named(id) ?? 'a project';
	return { project, file: `${project}'s file`, user: named(id) ?? 'a user' }[scope as string] ?? '';
}

/** A line of two texts; what both have is left out but for the lines next to what differs. */
export interface TextLine {
	sign: ' ' | '-' | '+' | '…';
	text: string;
}

/** What differs between two values, as lines of text: between what they begin and end with alike. */
export function textDiff({ was, is }: Line, named: Named): TextLine[] {
	const [before, after] = [was, is].map((one) => (one === undefined ? [] : text(one, named).split('\n'))) as [string[], string[]];
	const most = Math.min(before.length, after.length);
	let start = 0;
	while (start < most && before[start] === after[start]) start++;
	let end = 0;
	while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end++;
	const line = (sign: TextLine['sign']) => (text: string) => ({ sign, text });
	const left = (count: number) => (count > 0 ? [line('…')(`${several(count, 'line')} alike`)] : []);
	return [
		...left(start - CONTEXT), ...before.slice(Math.max(0, start - CONTEXT), start).map(line(' ')),
		...before.slice(start, before.length - end).map(line('-')), ...after.slice(start, after.length - end).map(line('+')),
		...after.slice(after.length - end).slice(0, CONTEXT).map(line(' ')), ...left(end - CONTEXT)
	];
}

/** On as many lines as it takes: an item of a list on each. */
function text(value: Json, named: Named): string {
	if (Array.isArray(value) && value.length) return value.map((one) => shown(one, named)).join('\n');
	const one = shown(value, named);
	return typeof value === 'object' && one.length > ONE_LINE ? JSON.stringify(value, null, 2) : one;
}

/** A value as people read it; ids as short as elsewhere. */
export function shown(value: Json | undefined, named: Named): string {
	if (value === undefined) return 'nothing';
	if (typeof value === 'string' && IDS.test(value)) return named(value) ?? (value.length === 64 ? value.slice(0, 10) : short(value));
	return inline(value);
}

function arrow({ path, was, is }: Line, named: Named): string {
	const values = was === undefined ? brief(is, named) : `${brief(was, named)} → ${brief(is, named)}`;
	return path && path !== 'bundle' ? `${path} ${values}` : values;
}

function brief(value: Json | undefined, named: Named): string {
	const one = shown(value, named);
	if (one.length <= ONE_LINE) return one;
	return Array.isArray(value) ? several(value.length, 'item') : `${one.slice(0, ONE_LINE)}…`;
}

function part(key: string, value: Json, named: Named): string {
	const words = key.replaceAll('_', ' ');
	if (value === true) return words;
	if (key === 'duration_ms') return duration(Number(value));
	if (key === 'size') return bytes(Number(value));
	if (key === 'instance') return shown(value, named);
	if (Array.isArray(value) && value.length && value.every((one) => one !== null && typeof one === 'object' && 'key' in one))
		return value.map((one) => (one as Data).key).join(', ');
	if (typeof value === 'object' && value !== null) {
		const count = Object.keys(value).length;
		return count ? several(count, words.replace(/s$/, '')) : '';
	}
	return PLAIN.includes(key) ? shown(value, named) : `${words} ${shown(value, named)}`;
}

function between(was: Json | undefined, is: Json | undefined): { lines: Line[]; same: number } {
	const [before, after] = [leaves(was), leaves(is)];
	const paths = [...new Set([...before.keys(), ...after.keys()])];
	const lines = paths.map((path) => ({ path, was: before.get(path), is: after.get(path) })).filter((one) => !alike(one.was, one.is));
	return { lines, same: paths.length - lines.length };
}

const alike = (one: Json | undefined, other: Json | undefined) => JSON.stringify(one) === JSON.stringify(other);

/** Its values by their path; a list or object of a list counts as one value, so that a moved item is one change. */
function leaves(value: Json | undefined): Map<string, Json> {
	if (value === undefined) return new Map();
	const branch = typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
	return branch ? flat(value as Data) : new Map([['', value]]);
}
