import { work } from '../context.svelte';
import { theme } from '../theme.svelte';
import { qi, type Fact, type Feed } from './client.svelte';

/** What an addon's element finds under `window.qi`. The built-in pages use the same client. */
export interface WindowQi {
	/** Ask any topic, or with `addon` one of an addon's own. Rejects with a QiError: code, message, remedy, data. */
	request(topic: string, data?: object, how?: { addon?: string; timeoutMs?: number }): Promise<unknown>;
	/** Facts of the log (`qi.event.…`) in order, none missed and none twice, from `after` or from now on. Answers how to end it. */
	subscribe(subjects: string[], fact: (event: Fact) => void, after?: number): () => void;
	/** Live figures (`qi.feed.…`): the newest counts, earlier ones may be left out. */
	feed(subject: string, take: (feed: Feed) => void): () => void;
	/** The chosen project, entity and task; `qi:context` is dispatched on window when it changes. */
	readonly context: { project: string; entity: string; task: string; user: string; bundle: string };
	/** `dark` or `light`; `qi:theme` is dispatched on window when it changes. Colours are CSS variables: see tokens.css. */
	readonly theme: string;
}

export function giveWindow() {
	const given: WindowQi = {
		request: async (topic, data = {}, how = {}) => {
			const asked = new Error();
			try {
				return await qi.ask(topic, data, how);
			} catch (error) {
				// An error is made when its answer comes: by whom it was asked, nobody could tell from it.
				if (error instanceof Error) error.stack = `${error.stack}\n${asked.stack}`;
				throw error;
			}
		},
		subscribe: (subjects, fact, after) => qi.facts(subjects, fact, after),
		feed: (subject, take) => qi.feed(subject, take),
		get context() {
			return { project: work.project, entity: work.entity, task: work.task, user: qi.user.name, bundle: qi.bundle };
		},
		get theme() {
			return theme.name;
		}
	};
	Object.defineProperty(window, 'qi', { value: Object.freeze(given), configurable: true });
}
