import type { Event as LogEvent, ReadLog } from '#lib/contracts.ts';
import { asQiError, qi, type Fact, type QiError } from '#lib/qi/client.svelte.ts';

export interface Filter {
	category: string;
	type: string;
	user: string;
	stream: string;
	trace: string;
	since: number;
	until: number;
	text: string;
}

export const NO_FILTER: Filter = { category: '', type: '', user: '', stream: '', trace: '', since: 0, until: 0, text: '' };
const WINDOW = 200;
const KEPT_WINDOWS = 40;
/** Who drags the scroll bar through a million events wants those where it comes to rest. */
const REST_MS = 50;

/**
 * The log, newest first, in windows that are read when they come into view.
 *
 * Without a filter the row of an event follows from its position, so that a million of them scroll freely. With one, older
 * windows are read as the list is scrolled down. A text is looked for in what was read.
 */
export class Rows {
	head = $state(0);
	error = $state.raw<QiError | null>(null);
	loading = $state(false);
	/** With a filter: what was found so far, newest first. */
	found = $state.raw<LogEvent[]>([]);
	end = $state(false);

	#windows = $state.raw(new Map<number, LogEvent[]>());
	#asked = new Set<number>();
	#run = 0;
	#rest: ReturnType<typeof setTimeout> | undefined;

	constructor(private readonly filter: () => Filter) {}

	get filtered() {
		const { text, ...rest } = this.filter();
		return Boolean(text) || Object.values(rest).some(Boolean);
	}

	get count() {
		return this.filtered ? this.shown.length : this.head;
	}

	get shown() {
		const text = this.filter().text.toLowerCase();
		if (!text) return this.found;
		return this.found.filter((one) => JSON.stringify(one).toLowerCase().includes(text));
	}

	at(row: number): LogEvent | undefined {
		if (this.filtered) return this.shown[row];
		const position = this.head - row;
		return this.#windows.get(Math.floor((position - 1) / WINDOW))?.[(position - 1) % WINDOW];
	}

	async reset() {
		const run = ++this.#run;
		this.#asked.clear();
		this.#windows = new Map();
		this.found = [];
		this.end = false;
		this.error = null;
		await this.#page(run, {}, true);
	}

	/** What is in view, as rows; reads what is missing. */
	view(first: number, last: number) {
		if (this.filtered) {
			if (last >= this.count - 20 && !this.end && !this.loading) void this.older();
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
		const oldest = this.found.at(-1);
		// Events of one decision are recorded at one moment: that moment is read again, whole.
		await this.#page(this.#run, oldest ? { until: oldest.recorded_at + 1 } : {}, false);
	}

	async #page(run: number, more: ReadLog, first: boolean) {
		const { text: _, ...filter } = this.filter();
		this.loading = true;
		try {
			const limit = first ? WINDOW : 1000;
			const page = await qi.request('log.read', { ...filter, newest: true, limit, ...more });
			if (run !== this.#run) return;
			this.head = Math.max(this.head, page.head);
			const known = new Set(this.found.map((one) => one.position));
			const fresh = page.events.filter((one) => !known.has(one.position)).reverse();
			this.found = [...this.found, ...fresh];
			this.end = fresh.length === 0 || page.events.length < limit;
		} catch (error) {
			if (run !== this.#run) return;
			this.error = asQiError(error);
			this.end = true;
		} finally {
			if (run === this.#run) this.loading = false;
		}
	}

	async #window(index: number) {
		this.#asked.add(index);
		const run = this.#run;
		try {
			const events: LogEvent[] = [];
			for (let more = true; more && events.length < WINDOW; ) {
				// A reply is cut where it gets too large.
				const page = await qi.request('log.read', { after: index * WINDOW + events.length, limit: WINDOW - events.length });
				if (run !== this.#run) return;
				events.push(...page.events);
				more = page.more;
				this.head = Math.max(this.head, page.head);
			}
			const kept = [...this.#windows].slice(-KEPT_WINDOWS);
			this.#windows = new Map([...kept, [index, events]]);
			this.#asked = new Set(this.#windows.keys());
			this.error = null;
		} catch (error) {
			this.#asked.delete(index);
			this.error = asQiError(error);
		}
	}

	/** A fact that was recorded just now. */
	add(fact: Fact) {
		if (fact.position <= this.head) return;
		const index = Math.floor((fact.position - 1) / WINDOW);
		const window = this.#windows.get(index) ?? [];
		if (window.length === (fact.position - 1) % WINDOW) {
			this.#windows = new Map([...this.#windows, [index, [...window, fact]]]);
			this.#asked.add(index);
		} else this.#asked.delete(index);
		this.head = fact.position;
		if (this.filtered && matches(fact, this.filter())) this.found = [fact, ...this.found];
	}
}

export function matches(fact: Fact, filter: Filter): boolean {
	const type = filter.type.endsWith('*') ? fact.type.startsWith(filter.type.slice(0, -1)) : fact.type === filter.type;
	return (
		(!filter.type || type) &&
		(!filter.category || fact.stream.startsWith(`${filter.category}-`)) &&
		(!filter.user || fact.meta.user === filter.user) &&
		(!filter.stream || fact.stream === filter.stream) &&
		(!filter.trace || fact.meta.trace === filter.trace) &&
		(!filter.since || fact.recorded_at >= filter.since) &&
		(!filter.until || fact.recorded_at < filter.until)
	);
}
