import type { BundleInfo, Entity, Project, PublishInfo } from './contracts';
import { work } from './context.svelte';
import { qi } from './qi/client.svelte';

export interface Found {
	id: string;
	group: string;
	title: string;
	hint: string;
	href: string;
}

/** What the palette knows without asking anybody: filled when it is opened, so that the first keystroke has answers. */
class Palette {
	open = $state(false);
	found = $state.raw<Found[]>([]);

	async fill() {
		const [projects, publishes, bundles, entities] = await Promise.allSettled([
			qi.request('db.project.list', { limit: 100 }),
			qi.request('publish.list', { limit: 60 }),
			qi.request('bundle.list', {}),
			work.project ? qi.request('db.entity.list', { project: work.project, parent: null, limit: 500 }) : undefined
		]);
		this.found = [
			...(projects.status === 'fulfilled' ? projects.value.items.map(ofProject) : []),
			...(entities.status === 'fulfilled' && entities.value ? entities.value.items.map(ofEntity) : []),
			...(bundles.status === 'fulfilled' ? bundles.value.bundles.map(ofBundle) : []),
			...(publishes.status === 'fulfilled' ? publishes.value.publishes.map(ofPublish) : [])
		];
	}
}

/** How well a text fits what somebody typed: the smaller the better; null when it does not. */
export function fit(typed: string, title: string, hint = ''): number | null {
	const [said, wanted] = [title.toLowerCase(), typed.trim().toLowerCase()];
	if (!wanted) return 0;
	if (said === wanted) return 0;
	if (said.startsWith(wanted)) return 1;
	if (said.split(/[\s/_.-]+/).some((word) => word.startsWith(wanted))) return 2;
	if (said.includes(wanted)) return 3;
	return wanted.split(/\s+/).every((word) => `${said} ${hint.toLowerCase()}`.includes(word)) ? 4 : null;
}

/** The best of each group; a better tier goes before, within one the order stays. */
export function best<T extends { group: string; title: string; hint: string }>(typed: string, all: T[], most: number): Map<string, T[]> {
	const ranked = all
		.map((one) => ({ one, rank: fit(typed, one.title, one.hint) }))
		.filter((each): each is { one: T; rank: number } => each.rank !== null)
		.sort((a, b) => a.rank - b.rank)
		.slice(0, most);
	return Map.groupBy(ranked.map((each) => each.one), (one) => one.group);
}

const ofProject = (one: Project): Found => ({
	id: `project ${one.id}`, group: 'Projects', title: one.name, hint: 'project', href: `/?project=${encodeURIComponent(one.name)}`
});
const ofEntity = (one: Entity): Found => ({
	id: `entity ${one.id}`, group: 'Shots and assets', title: one.path, hint: one.kind,
	href: `/?project=${encodeURIComponent(work.project)}&entity=${encodeURIComponent(one.path)}`
});
const ofBundle = (one: BundleInfo): Found => ({
	id: `bundle ${one.id}`, group: 'Bundles', title: one.name, hint: one.pointers.join(', ') || one.state,
	href: `/bundles?bundle=${encodeURIComponent(one.name)}`
});
const ofPublish = (one: PublishInfo): Found => ({
	id: `publish ${one.publish}`, group: 'Publishes', href: `/publishes?publish=${one.publish}`, hint: one.state,
	title: `${one.entity} ${one.product}${one.version === null ? '' : ` v${String(one.version).padStart(3, '0')}`}`
});

export const palette = new Palette();
