import { short, versioned } from '#lib/format.ts';
import type { BundleInfo, Entity, Project, PublishInfo } from './contracts';
import { work } from './context.svelte';
import { qi } from './qi/client.svelte';
import { slots } from './qi/slots.svelte';
import { whole } from './qi/whole';
import { leaves, type Leaf, type Schema } from './settings/schema';

export interface Found {
	id: string;
	group: string;
	title: string;
	hint: string;
	href: string;
	/** What it is found by besides, and does not show. */
	said?: string;
}

const AT_ONCE = 6;
/** Of each project, and of the publishes. */
const SOME = 20;
/** More is no help to anybody: who wants another one types on. */
const ENOUGH = 60;
const REST_MS = 120;

/** What is known here answers a keystroke at once; what only the studio knows joins it when it comes. */
class Palette {
	open = $state(false);
	#known = $state.raw<{ [kind: string]: Found[] }>({});
	found = $derived([...new Map(Object.values(this.#known).flatMap((some) => some.map((one) => [one.id, one] as const))).values()]);
	#timer: ReturnType<typeof setTimeout> | undefined;
	#asked = '';
	#projects: Promise<string[]> = Promise.resolve([]);

	/** It is opened: what was found by a text then may be more by now. */
	begin() {
		this.#asked = '';
	}

	/** After a log-in, whenever it is opened, and when addons change: each kind is there as soon as it comes, and no kind waits for another. */
	fill() {
		const projects = whole('db.project.list', {}).then((told) => told.items);
		this.#projects = projects.then((all) => all.map((one) => one.name), () => []); // as of every kind: see #keep
		this.#keep('projects', async () => (await projects).map(ofProject));
		this.#keep('entities', async () => (work.project ? await entities(work.project, '', 500) : []));
		this.#keep('bundles', async () => (await qi.request('bundle.list', {})).bundles.map(ofBundle));
		this.#keep('publishes', async () => (await qi.request('publish.list', { limit: 200 })).publishes.map(ofPublish));
		this.#keep('settings', async () => {
			const addons = slots.addons.filter((one) => one.status === 'enabled' && one.contributes.includes('settings'));
			return (await Promise.all(['qi', ...addons.map((one) => one.name)].map(settings))).flat();
		});
	}

	/** What was not fetched yet, once somebody rests while he types: the studio knows every shot and every publish. */
	search(text: string) {
		clearTimeout(this.#timer);
		const wanted = text.trim();
		if (wanted.length < 2 || wanted === this.#asked) return;
		this.#timer = setTimeout(() => {
			this.#asked = wanted;
			this.#keep('older', async () => (await qi.request('publish.list', { text: wanted, limit: SOME })).publishes.map(ofPublish));
			void this.#shots(wanted);
		}, REST_MS);
	}

	/** In every project, a few at a time, that which is worked in first; what was found shows while others are asked. */
	async #shots(wanted: string) {
		const left = [...new Set([work.project, ...(await this.#projects)])].filter(Boolean);
		const found: Found[] = [];
		const ask = async () => {
			while (left.length && found.length < ENOUGH && wanted === this.#asked) {
				// One that cannot be looked into keeps nothing of the others back; its own page says why.
				found.push(...(await entities(left.shift() ?? '', wanted, SOME).catch(() => [])));
				if (wanted === this.#asked) this.#known = { ...this.#known, asked: [...found] };
			}
		};
		await Promise.all(Array.from({ length: AT_ONCE }, ask));
	}

	#keep(kind: string, load: () => Promise<Found[]>) {
		load().then(
			(some) => (this.#known = { ...this.#known, [kind]: some }),
			() => undefined // what was known before stays; the page of such things says why they cannot be had
		);
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

/** The best of each group, so that none crowds out another; a better tier goes before, within one the order stays. */
export function best<T extends { group: string; title: string; hint: string; said?: string }>(typed: string, all: T[], most: number): Map<string, T[]> {
	const ranked = all
		.map((one) => ({ one, rank: fit(typed, one.title, `${one.hint} ${one.said ?? ''}`) }))
		.filter((each): each is { one: T; rank: number } => each.rank !== null)
		.sort((a, b) => a.rank - b.rank);
	const groups = Map.groupBy(ranked.map((each) => each.one), (one) => one.group);
	return new Map([...groups].map(([group, some]) => [group, some.slice(0, most)]));
}

async function entities(project: string, text: string, limit: number): Promise<Found[]> {
	const { items } = await qi.request('db.entity.list', { project, parent: null, text, limit });
	return items.map((one) => ofEntity(project, one));
}

/** Each value of an addon's settings by its path; an addon whose schema cannot be had has none. */
async function settings(addon: string): Promise<Found[]> {
	try {
		const told = await qi.request('config.schema', { addon });
		return leaves(told.schema as Schema, addon, {}).map(ofSetting);
	} catch {
		return []; // its page says what is wrong with it
	}
}

const ofSetting = (one: Leaf): Found => ({
	id: `setting ${one.path}`, group: 'Settings', title: one.path, hint: [...one.under, one.title].join(' / '),
	href: `/settings?addon=${encodeURIComponent(one.path.split('.')[0] ?? '')}&scope=${one.scopes.includes('user') ? 'user' : (one.scopes[0] ?? 'bundle')}&path=${encodeURIComponent(one.path)}`
});
const ofProject = (one: Project): Found => ({
	id: `project ${one.id}`, group: 'Projects', title: one.name, hint: 'project', href: `/?project=${encodeURIComponent(one.name)}`
});
const ofEntity = (project: string, one: Entity): Found => ({
	id: `entity ${one.id}`, group: 'Shots and assets', title: one.path, hint: project === work.project ? one.kind : project,
	href: `/?project=${encodeURIComponent(project)}&entity=${encodeURIComponent(one.path)}`
});
const ofBundle = (one: BundleInfo): Found => ({
	id: `bundle ${one.id}`, group: 'Bundles', title: one.name, hint: one.pointers.join(', ') || one.state,
	href: `/bundles?bundle=${encodeURIComponent(one.name)}`
});
const ofPublish = (one: PublishInfo): Found => ({
	id: `publish ${one.publish}`, group: 'Publishes', href: `/publishes?publish=${one.publish}`, hint: `${one.state} · ${short(one.publish)}`,
	title: `${one.entity} ${one.product} ${versioned(one.version)}`.trim(),
	said: [one.project, one.task, one.user, one.bundle, one.publish, one.mode, one.comment].join(' ')
});

export const palette = new Palette();
