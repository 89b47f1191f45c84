import type { AddonRun, Application, Json } from '../contracts';
import { qi } from './client.svelte';

export const SLOTS = [
	'nav', 'home.widget', 'context.action', 'publish.panel', 'version.action', 'admin.page', 'user.menu', 'palette'
] as const;
export type SlotName = (typeof SLOTS)[number];

/** One element that an addon puts into a slot, as its manifest has it. */
export interface Contribution {
	addon: string;
	slot: SlotName;
	/** Name of the custom element. */
	element: string;
	title: string;
	/** Script that defines the element, served from the addon's `ui_dist/`; of a built-in page its name. */
	script: string;
}

const ELEMENT = /^[a-z][a-z0-9]*(-[a-z0-9]+)+$/;
const FILE = /^[\w-]+(\/[\w-]+)*\.m?js$/;

/** A window of an addon's own: one of its elements, and how large it likes to be. */
export interface AddonWindow extends Contribution {
	name: string;
	width: number;
	height: number;
}

/** A request to an addon without anything to fill in. */
export interface AddonCommand {
	addon: string;
	title: string;
	topic: string;
}

const OWN_SCRIPTS: Record<string, () => Promise<unknown>> = { 'qi:publishes': () => import('#lib/publishes/elements.ts') };
/** The built-in pages fill slots like everybody else. */
const OWN: Contribution[] = [
	{ addon: 'qi', slot: 'context.action', element: 'qi-publish-here', title: 'Publish here', script: 'qi:publishes' }
];

/** The version that this window's bundle pins, not another one. */
function read(addon: AddonRun, told: { [key: string]: Json }): Contribution | null {
	const slot = String(told.slot ?? '') as SlotName;
	const element = String(told.element ?? '');
	const script = String(told.script ?? '');
	if (!SLOTS.includes(slot) || !ELEMENT.test(element) || !FILE.test(script)) return null;
	const title = String(told.title ?? addon.title ?? addon.name);
	return { addon: addon.name, slot, element, title, script: `/media/addons/${addon.bundle}/${addon.name}/${script}` };
}

class Slots {
	all = $state.raw<Contribution[]>(OWN);
	addons = $state.raw<AddonRun[]>([]);
	windows = $state.raw<AddonWindow[]>([]);
	commands = $state.raw<AddonCommand[]>([]);
	applications = $state.raw<Application[]>([]);
	#told = () => {};
	/** Settled when the studio has told of its addons for the first time. */
	readonly known = new Promise<void>((told) => (this.#told = told));

	async refresh() {
		const told = await qi.request('addon.status', {});
		this.addons = told.addons;
		const enabled = told.addons.filter((one) => one.status === 'enabled');
		// What stays is the very same: an element that is shown goes on, with what somebody typed into it.
		const before = new Map(this.all.map((one) => [JSON.stringify(one), one]));
		const now = [...OWN, ...enabled.flatMap((addon) => addon.slots.flatMap((slot) => read(addon, slot) ?? []))];
		this.all = now.map((one) => before.get(JSON.stringify(one)) ?? one);
		this.windows = enabled.flatMap((addon) =>
			addon.windows.flatMap((said) => {
				const one = read(addon, { ...said, slot: 'nav' });
				return one ? [{ ...one, name: String(said.name), width: Number(said.width), height: Number(said.height) }] : [];
			})
		);
		this.commands = enabled.flatMap((addon) =>
			addon.commands.map((said) => ({ addon: addon.name, title: String(said.title), topic: String(said.topic) }))
		);
		this.applications = enabled.flatMap((addon) =>
			addon.applications.map((said) => ({ addon: addon.name, name: String(said.name), title: String(said.title) }))
		);
		this.#told();
	}

	of(slot: SlotName) {
		return this.all.filter((one) => one.slot === slot);
	}
}

export const slots = new Slots();
const loading = new Map<string, Promise<unknown>>();

/** Define the element, and answer its class; one script is loaded once. */
export async function define(one: Contribution): Promise<CustomElementConstructor> {
	const known = customElements.get(one.element);
	if (known) return known;
	let script = loading.get(one.script);
	if (!script) loading.set(one.script, (script = OWN_SCRIPTS[one.script]?.() ?? import(/* @vite-ignore */ one.script)));
	try {
		await script;
	} catch (error) {
		loading.delete(one.script);
		throw error;
	}
	const made = customElements.get(one.element);
	if (!made) throw new Error(`${one.script} does not define <${one.element}>`);
	return made;
}
