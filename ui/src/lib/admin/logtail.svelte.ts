import type { LogLine, ReadLogFile } from '#lib/contracts.ts';
import { asQiError, qi, type QiError } from '#lib/qi/client.svelte.ts';

/** So many lines are kept; older ones stay in the file. */
export const LINES_MOST = 50_000;
const LOOK_EVERY_MS = 700;

export interface LogFilter {
	name: string;
	level: string;
	text: string;
}

/** The end of a log file, and what is written to it from then on. Oldest first. */
export class LogTail {
	lines = $state.raw<LogLine[]>([]);
	error = $state.raw<QiError | null>(null);
	/** Older lines are being read. */
	loading = $state(false);
	following = $state(true);
	/** Everything of the file before this byte is not read. */
	start = $state(0);
	size = $state(0);
	/** How many lines were put before the others since the file was opened: what is in view moves by as many. */
	before = $state(0);

	#filter: LogFilter = { name: '', level: '', text: '' };
	#end = 0;
	#file = '';
	#run = 0;
	#looking = false;

	/** Read from the end backwards, until enough is there or the file's begin. */
	async open(filter: LogFilter) {
		const run = ++this.#run;
		this.#filter = filter;
		this.loading = true;
		this.error = null;
		let first = true;
		try {
			do {
				const told = await this.#read(first ? {} : { before: this.start });
				if (run !== this.#run) return;
				if (first) {
					[this.#end, this.#file, this.before] = [told.end, told.file, 0];
					this.lines = told.lines;
				} else if (told.file === this.#file) {
					this.before += told.lines.length;
					this.lines = [...told.lines, ...this.lines];
				}
				[this.start, this.size] = [told.start, told.size];
				first = false;
			} while (this.start > 0 && this.lines.length < LINES_MOST);
		} catch (error) {
			if (run === this.#run) this.error = asQiError(error);
		} finally {
			if (run === this.#run) this.loading = false;
		}
	}

	/** Look for new lines now and then, for as long as somebody follows. Answers how to end that. */
	follow(): () => void {
		const timer = setInterval(() => this.following && !document.hidden && qi.wire === 'open' && void this.#newer(), LOOK_EVERY_MS);
		return () => clearInterval(timer);
	}

	async #newer() {
		if (this.#looking || !this.#file) return;
		const run = this.#run;
		this.#looking = true;
		try {
			for (let more = true; more && this.following; ) {
				const told = await this.#read({ after: this.#end });
				if (run !== this.#run) return;
				if (told.file !== this.#file || told.size < this.#end) {
					// It was rotated: what is new stands in another file, from its begin.
					[this.#end, this.#file] = [0, told.file];
					continue;
				}
				more = told.end > this.#end && told.end < told.size;
				[this.#end, this.size, this.error] = [told.end, told.size, null];
				if (told.lines.length) this.lines = [...this.lines, ...told.lines].slice(-LINES_MOST);
			}
		} catch (error) {
			if (run === this.#run) this.error = asQiError(error);
		} finally {
			this.#looking = false;
		}
	}

	#read(how: Partial<ReadLogFile>) {
		return qi.request('studio.logs.read', { ...this.#filter, limit: 1000, ...how });
	}
}
