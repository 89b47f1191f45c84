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
