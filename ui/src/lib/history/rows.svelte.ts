import type { Event as LogEvent } from '#lib/contracts.ts';
import { asQiError, qi, type QiError } from '#lib/qi/client.svelte.ts';

export interface Filter {
	category: string;
	type: string;
	user: string;
	stream: string;
	trace: string;
	since: number;
	until: number;
	text: string;
	entity: string;
}

export const NO_FILTER: Filter = { category: '', type: '', user: '', stream: '', trace: '', since: 0, until: 0, text: '', entity: '' };
const WINDOW = 200;
const KEPT_WINDOWS = 40;
/** Who drags the scroll bar through a million events wants those where it comes to rest. */
const REST_MS = 50;
/** News are looked at together. */
const NEWS_MS = 150;

/**
 * The log, newest first, in windows that are read when they come into view.
 *
 * Without a filter the row of an event follows from its position, so that a million of them scroll freely. With one, the
 * studio looks through the log from its end, a moment at a time, until what is in view is full.
 */
export class Rows {
	head = $state(0);
	error = $state.raw<QiError | null>(null);
	loading = $state(false);
	/** With a filter: what was found so far, newest first. */
	found = $state.raw<LogEvent[]>([]);
	/** With a filter: everything from this position on was looked at. */
	reached = $state(0);
	end = $state(false);
	/** Somebody wants it to look no further back. */
	stopped = $state(false);

	#windows = $state.raw(new Map<number, LogEvent[]>());
	#asked = new Set<number>();
	#run = 0;
	#rest: ReturnType<typeof setTimeout> | undefined;
	#news: ReturnType<typeof setTimeout> | undefined;
	/** With a filter: everything up to here was looked at. */
	#seen = 0;
	#catchingUp = false;

	constructor(private readonly filter: () => Filter) {}

	get filtered() {
		return Object.values(this.filter()).some(Boolean);
	}

	get count() {
		return this.filtered ? this.found.length : this.head;
	}

	at(row: number): LogEvent | undefined {
		if (this.filtered) return this.found[row];
		const position = this.head - row;
		return this.#windows.get(Math.floor((position - 1) / WINDOW))?.[(position - 1) % WINDOW];
	}

	async reset() {
		const run = ++this.#run;
		clearTimeout(this.#news);
		this.#asked.clear();
		this.#windows = new Map();
		this.found = [];
		this.reached = this.#seen = 0;
		this.end = this.stopped = false;
		await this.#look(run);
	}

	/** Look no further back; what was found stays. */
	stop() {
		this.#run++;
		this.stopped = true;
		this.loading = false;
	}

	/** What is in view, as rows; reads what is missing. */
	view(first: number, last: number) {
		if (this.filtered) {
			if (last >= this.count - 20 && !this.end && !this.loading && !this.stopped && !this.error) void this.older();
			return;
		}
		const newest = Math.floor((this.head - first - 1) / WINDOW);
		const oldest = Math.floor((this.head - last - 1) / WINDOW);
		clearTimeout(this.#rest);
		this.#rest = setTimeout(() => {
			for (let one = Math.max(0, oldest); one <= newest; one++) if (!this.#asked.has(one)) void this.#window(one);
		}, REST_MS);
	}

	async older() {
		this.stopped = false;
		await this.#look(++this.#run);
	}

	/** Further back, until a window is full or the log is at its begin. */
	async #look(run: number) {
		this.loading = true;
		this.error = null;
		const enough = this.found.length + WINDOW;
		try {
			while (!this.end && this.found.length < enough) {
				const page = await qi.request('log.read', { ...this.filter(), newest: true, limit: WINDOW, before: this.reached });
				if (run !== this.#run) return;
				this.#seen ||= page.head;
				this.head = Math.max(this.head, page.head);
				if (!this.filtered) return;
				this.found = [...this.found, ...page.events.toReversed()];
				this.reached = page.reached;
				this.end = !page.more;
			}
		} catch (error) {
			if (run === this.#run) this.error = asQiError(error);
		} finally {
			if (run === this.#run) this.loading = false;
		}
	}

	async #window(index: number) {
		this.#asked.add(index);
		const run = this.#run;
		try {
			const page = await qi.request('log.read', { after: index * WINDOW, limit: WINDOW });
			if (run !== this.#run) return;
			const kept = [...this.#windows].slice(-KEPT_WINDOWS);
			this.#windows = new Map([...kept, [index, page.events]]);
			this.#asked = new Set(this.#windows.keys());
			this.head = Math.max(this.head, page.head);
			this.error = null;
		} catch (error) {
			this.#asked.delete(index);
			this.error = asQiError(error);
		}
	}

	/** An event was recorded just now. */
	add(fact: LogEvent) {
		if (fact.position <= this.head) return;
		const index = Math.floor((fact.position - 1) / WINDOW);
		const window = this.#windows.get(index) ?? [];
		if (window.length === (fact.position - 1) % WINDOW) {
			this.#windows = new Map([...this.#windows, [index, [...window, fact]]]);
			this.#asked.add(index);
		} else this.#asked.delete(index);
		this.head = fact.position;
		if (this.filtered) this.#soon();
	}

	#soon() {
		clearTimeout(this.#news);
		this.#news = setTimeout(() => void this.#newer(), NEWS_MS);
	}

	/** Whether something new fits the filter, the studio knows. */
	async #newer() {
		if (this.#catchingUp || !this.#seen) return this.#soon();
		const filter = this.filter();
		this.#catchingUp = true;
		try {
			let more = true;
			while (more) {
				const page = await qi.request('log.read', { ...filter, after: this.#seen, limit: WINDOW });
				if (filter !== this.filter()) return this.#soon();
				this.found = [...page.events.toReversed(), ...this.found];
				this.#seen = page.reached;
				more = page.more;
			}
		} catch (error) {
			this.error = asQiError(error);
		} finally {
			this.#catchingUp = false;
		}
	}
}
