import { qi } from '#lib/qi/client.svelte.ts';

/** What bundles and projects are called, by their ids. The history does not wait for it: until then, and if nobody can say, ids stand there. */
export class Names {
	#bundles = $state.raw(new Map<string, string>());
	#projects = $state.raw(new Map<string, string>());

	/** Inside a component's set-up. */
	constructor() {
		$effect(() => {
			if (qi.opens === 0) return;
			void this.#ask();
			return qi.facts(['qi.event.bundle.>', 'qi.event.project.>'], () => void this.#ask());
		});
	}

	of(id: string): string | undefined {
		return this.#bundles.get(id) ?? this.#projects.get(id);
	}

	async #ask() {
		const [bundles, projects] = await Promise.allSettled([qi.request('bundle.list', {}), qi.request('db.project.list', { limit: 500 })]);
		if (bundles.status === 'fulfilled') this.#bundles = new Map(bundles.value.bundles.map((one) => [one.id, one.name]));
		if (projects.status === 'fulfilled') this.#projects = new Map(projects.value.items.map((one) => [one.id, one.name]));
	}
}
