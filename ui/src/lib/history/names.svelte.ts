import { qi } from '#lib/qi/client.svelte.ts';
import { whole } from '#lib/qi/whole.ts';

/** Older publishes are called by their ids. */
const PUBLISHES_MOST = 200;
/** One asked for many at once. */
const NEWS_MS = 150;

/**
 * What bundles, projects, users and the newest publishes are called, by their ids. The history does not wait for it: until then,
 * and if nobody can say, ids stand there.
 */
export class Names {
	#bundles = $state.raw(new Map<string, string>());
	#projects = $state.raw(new Map<string, string>());
	#publishes = $state.raw(new Map<string, string>());
	#users = $state.raw(new Map<string, string>());

	/** Inside a component's set-up. */
	constructor() {
		$effect(() => {
			if (qi.opens === 0) return;
			void this.#ask();
			void this.#askPublishes();
			let news: ReturnType<typeof setTimeout> | undefined;
			const stops = [
				qi.facts(['qi.event.bundle.>', 'qi.event.project.>', 'qi.event.user.>'], () => void this.#ask()),
				qi.facts(['qi.event.publish.>'], (fact) => {
					if (fact.type === 'publish.requested') news ??= setTimeout(() => ((news = undefined), void this.#askPublishes()), NEWS_MS);
				})
			];
			return () => (clearTimeout(news), stops.forEach((stop) => stop()));
		});
	}

	of(id: string): string | undefined {
		return this.#bundles.get(id) ?? this.#projects.get(id) ?? this.#publishes.get(id) ?? this.#users.get(id);
	}

	async #ask() {
		const [bundles, projects, users] = await Promise.allSettled([
			qi.request('bundle.list', {}), whole('db.project.list', {}), qi.request('auth.user.list', {})
		]);
		if (bundles.status === 'fulfilled') this.#bundles = new Map(bundles.value.bundles.map((one) => [one.id, one.name]));
		if (projects.status === 'fulfilled') this.#projects = new Map(projects.value.items.map((one) => [one.id, one.name]));
		if (users.status === 'fulfilled') this.#users = new Map(users.value.users.map((one) => [one.key, one.name]));
	}

	async #askPublishes() {
		const told = await qi.request('publish.list', { limit: PUBLISHES_MOST }).catch(() => undefined);
		if (told) this.#publishes = new Map([...this.#publishes, ...told.publishes.map((one) => [one.publish, `${one.entity} ${one.product}`] as const)]);
	}
}
