import { untrack } from 'svelte';
import { SvelteSet } from 'svelte/reactivity';
import { LONGEST_MS, TRACKER_MS, arrivals } from '../arrivals.svelte';
import type { Topics } from '../contracts';
import { qi, asQiError, type Fact, type QiError } from './client.svelte';

/** What the log does not tell of: of these there are feeds, and `tracker.entity` is a part of one. */
const FEEDS = new Set(['tracker', 'job', 'session', 'actor']);
const kindOf = (category: string) => category.split('.')[0] ?? '';

/** Of all that is shown now, what comes from the tracker: it may be elsewhere, and nobody waits for it. */
export const tracked = new SvelteSet<Live<unknown>>();

/** Data that follow the log: asked for once, and again whenever one of the `categories` has news. */
export class Live<T> {
	data = $state.raw<T | undefined>(undefined);
	error = $state.raw<QiError | null>(null);
	loading = $state(true);
	/** The answer takes so long that whoever looks wants to know. */
	late = $state(false);
	/** When `data` were true, milliseconds. */
	asOf = $state(0);

	#load: (over: AbortSignal) => Promise<T>;
	#run = 0;
	/** Tells a load under way that a later one took its place. */
	#over = new AbortController();
	#news = false;
	#timer: ReturnType<typeof setTimeout> | undefined;
	#arrived = arrivals.wait();
	/** It may be asked of a tracker elsewhere. */
	#far: boolean;

	/** Inside a component's set-up. `load` may read state: the data follow it, too. */
	constructor(load: (over: AbortSignal) => Promise<T>, categories: string[] = [], mine: (event: Fact) => boolean = () => true) {
		this.#load = load;
		this.#far = categories.some((one) => kindOf(one) === 'tracker');
		$effect(() => {
			// Every time the wire comes up, for nobody knows what was missed.
			if (qi.opens > 0) void this.refresh();
		});
		$effect(() => this.#arrived);
		$effect(() => {
			if (!this.#far) return;
			untrack(() => tracked.add(this));
			return () => tracked.delete(this);
		});
		$effect(() => {
			const subjects = categories.filter((one) => !FEEDS.has(kindOf(one))).map((category) => `qi.event.${category}.>`);
			const feeds = categories.filter((one) => FEEDS.has(kindOf(one)));
			if (!categories.length || qi.who !== 'in') return;
			const stops = feeds.map((one) => qi.feed(one.includes('.') ? `qi.feed.${one}` : `qi.feed.${one}.>`, () => this.soon()));
			if (subjects.length) stops.push(qi.facts(subjects, (event) => mine(event) && this.soon()));
			return () => {
				stops.forEach((stop) => stop());
				clearTimeout(this.#timer);
				this.#timer = undefined;
				this.#news = false;
			};
		});
	}

	/** The tracker did not answer; `Stale` says so once for all that came from it. */
	get unanswered() {
		return this.#far && this.error !== null && this.error.unanswered;
	}

	/** What else went wrong: that is said where the data would stand. */
	get refused() {
		return this.unanswered ? null : this.error;
	}

	/** Several facts of one decision are one refresh; of a stream of them there are four a second. */
	soon(ms = Date.now() - this.asOf < 1_000 ? 250 : 60) {
		this.#timer ??= setTimeout(() => {
			this.#timer = undefined;
			// What takes longer than news take to come would be begun again and again, and never be there.
			if (this.loading) this.#news = true;
			else void this.refresh();
		}, ms);
	}

	async refresh() {
		const run = ++this.#run;
		this.#over.abort();
		const over = (this.#over = new AbortController());
		this.loading = true;
		this.#news = false;
		if (this.#far) setTimeout(this.#arrived, TRACKER_MS);
		const slow = setTimeout(() => run === this.#run && (this.late = true), LONGEST_MS);
		try {
			const data = await this.#load(over.signal);
			if (run !== this.#run) return; // a later answer is there already
			this.data = data;
			this.error = null;
			this.asOf = Date.now();
		} catch (error) {
			if (run === this.#run) this.error = asQiError(error);
		} finally {
			clearTimeout(slow);
			if (run === this.#run) {
				this.loading = this.late = false;
				this.#arrived();
				if (this.#news) this.soon();
			}
		}
	}
}

export function live<T extends keyof Topics>(
	topic: T,
	data: () => Topics[T][0],
	categories: string[],
	mine?: (event: Fact) => boolean
) {
	return new Live<Topics[T][1]>(() => qi.request(topic, data()), categories, mine);
}

/** Of a command: asking twice does it once. */
export function commandId() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
