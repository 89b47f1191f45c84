import type { Json } from './contracts';

const STEPS: [number, Intl.RelativeTimeFormatUnit, number][] = [
	[60, 'second', 1],
	[3600, 'minute', 60],
	[86_400, 'hour', 3600],
	[604_800, 'day', 86_400],
	[2_629_800, 'week', 604_800],
	[31_557_600, 'month', 2_629_800],
	[Infinity, 'year', 31_557_600]
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** `3 min ago`, of microseconds since the epoch. What lies ahead of a clock that is coarse, rests in the background or
 * differs from the studio's was just now. */
export function ago(micros: number, nowMs: number): string {
	const seconds = Math.min(0, micros / 1e6 - nowMs / 1e3);
	if (seconds > -5) return 'just now';
	const [, unit, size] = STEPS.find(([below]) => -seconds < below) ?? STEPS[0]!;
	return relative.format(Math.round(seconds / size), unit);
}

export const exact = (micros: number) => full.format(micros / 1000);

export function duration(ms: number): string {
	if (ms < 1) return '<1 ms';
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
	return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export function bytes(count: number): string {
	const units = ['B', 'kB', 'MB', 'GB', 'TB'];
	const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
	return `${(count / 1000 ** step).toFixed(step && count / 1000 ** step < 100 ? 1 : 0)} ${units[step]}`;
}

/** Enough of an id to tell it from its neighbours: ids made close together begin alike. */
export const short = (id: string) => (id.length <= 12 ? id : id.slice(-8));

export const number = (value: number) => value.toLocaleString('en-GB').replaceAll(',', '\u202f');

/** `v003`; empty where there is no number yet. */
export const versioned = (version: number | null) => (version === null ? '' : `v${String(version).padStart(3, '0')}`);

/** `1 problem`, `2 problems`. */
export const several = (count: number, one: string) => `${number(count)} ${one}${count === 1 ? '' : 's'}`;

/** A value as people read it on one line. */
export function inline(value: Json | undefined): string {
	if (value === undefined) return '';
	if (typeof value === 'string') return value === '' ? '""' : value;
	return JSON.stringify(value);
}

/** Digests within a text as short as they are told apart elsewhere. */
export const brief = (text: string) => text.replaceAll(/\b([0-9a-f]{10})[0-9a-f]{54}\b/g, '$1');

/** A value that came as JSON text, as people read it. */
export function fromJson(text: string): string {
	try {
		return inline(JSON.parse(text) as Json);
	} catch {
		return text;
	}
}
