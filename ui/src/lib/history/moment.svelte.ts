import type { Event as LogEvent, ReadLog } from '#lib/contracts.ts';
import { qi } from '#lib/qi/client.svelte.ts';

/** While the slider is dragged nobody is asked; where it rests for so long, the studio is. */
const REST_MS = 120;
const CHANGES = ['pointer', 'settings', 'bundle', 'pin'];
const MARKED = ['pointer.moved', 'settings.changed', 'bundle.settings_changed'];
const MARKS_MOST = 200;

/** A moment of the log that is looked at, as a position: what holds after the event there. 0 is now. */
export class Moment {
	/** Where the slider is. */
	value = $state(0);
	/** What is shown. */
	at = $state(0);
	/** The event at `at`. */
	event = $state.raw<LogEvent | null>(null);
	/** Where bundles and settings changed lately. */
	marks = $state.raw<number[]>([]);

	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor(
		at: number,
		private readonly moved: (at: number) => void
	) {
		this.value = this.at = at;
	}

	to(position: number) {
		this.value = position;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#come(position), position ? REST_MS : 0);
	}

	#come(position: number) {
		this.at = position;
		this.moved(position);
	}

	/** The event at `at`; the moment has no time without it. */
	async look() {
		const at = this.at;
		const told = await qi.request('log.read', { after: at - 1, limit: 1 });
		if (at === this.at) this.event = told.events[0] ?? null;
	}

	async readMarks() {
		const asked = MARKED.map((type) => qi.request('log.read', { type, newest: true, limit: MARKS_MOST }));
		this.marks = (await Promise.all(asked)).flatMap((page) => page.events.map((one) => one.position));
	}

	/** To where bundles or settings changed before, or after. */
	async step(direction: 'before' | 'after') {
		const how: ReadLog = direction === 'before' ? { before: this.value, newest: true } : { after: this.value };
		const pages = await Promise.all(CHANGES.map((category) => qi.request('log.read', { category, limit: 1, ...how })));
		const found = pages.flatMap((page) => page.events.map((one) => one.position));
		if (found.length) this.to(direction === 'before' ? Math.max(...found) : Math.min(...found));
	}

	/** To the last event that was recorded before a time, in microseconds. */
	async toTime(micros: number) {
		const told = await qi.request('log.read', { until: micros, newest: true, limit: 1 });
		this.to(told.events[0]?.position ?? 1);
	}
}
