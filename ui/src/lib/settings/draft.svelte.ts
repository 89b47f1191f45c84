import type { Json } from '#lib/contracts.ts';
import { qi, type QiError } from '#lib/qi/client.svelte.ts';
import { commandId } from '#lib/qi/live.svelte.ts';
import { SvelteMap } from 'svelte/reactivity';

/** A value to set; undefined gives the path back to the layers below. */
export type Wish = Json | undefined;

export interface Where {
	scope: string;
	target: string;
	/** A frozen bundle is changed by a new one that takes its place. */
	amends: { pointer: string; digest: string } | null;
}

/** `tree` with `value` at `path`; what stands in the way becomes an object. */
export function withValue(tree: Json, path: string[], value: Json): Json {
	const [key, ...rest] = path;
	if (key === undefined) return value;
	const group = typeof tree === 'object' && tree !== null && !Array.isArray(tree) ? tree : {};
	return { ...group, [key]: withValue(group[key] ?? null, rest, value) };
}

/** One path's part of a draft. */
class Cell {
	touched = $state(false);
	wish = $state.raw<Wish>(undefined);
	/** Why it cannot be saved; empty when it can. */
	fault = $state('');
}

/** What somebody changed and did not save yet. A field reads its own cell only, so that a keystroke touches one field. */
export class Draft {
	size = $state(0);
	faults = $state(0);
	/** Items of lists with names that are to come or to go, and their orders: what the form is made of follows these alone. */
	structure = $state.raw<ReadonlyMap<string, Json>>(new Map());
	#cells = new Map<string, Cell>();
	/** Revision of the scope when the first change was made. */
	#began: number | null = null;

	/** A path's cell; it may be asked for before anything was changed. */
	at(path: string): Cell {
		let cell = this.#cells.get(path);
		if (!cell) this.#cells.set(path, (cell = new Cell()));
		return cell;
	}

	/** The first path that cannot be saved; empty when all can. */
	get faulty(): string {
		return this.paths.find((path) => this.at(path).fault) ?? '';
	}

	get paths(): string[] {
		return [...this.#cells].filter(([, cell]) => cell.touched).map(([path]) => path);
	}

	set(path: string, wish: Wish, revision: number, fault = '') {
		this.#began ??= revision;
		const cell = this.at(path);
		if (!cell.touched) this.size += 1;
		this.faults += Number(fault !== '') - Number(cell.fault !== '');
		cell.touched = true;
		cell.wish = wish;
		cell.fault = fault;
	}

	/** An item (null takes it away) or the `@order` of a list with names. */
	arrange(path: string, wish: Json, revision: number) {
		this.set(path, wish, revision);
		this.structure = new Map(this.structure).set(path, wish);
	}

	drop(path: string) {
		if (this.structure.has(path)) this.structure = new Map([...this.structure].filter(([one]) => one !== path));
		const cell = this.at(path);
		if (!cell.touched) return;
		this.faults -= Number(cell.fault !== '');
		this.size -= 1;
		cell.touched = false;
		cell.wish = undefined;
		cell.fault = '';
		if (!this.size) this.#began = null;
	}

	clear() {
		for (const path of this.paths) this.drop(path);
	}

	/** After a conflict was decided: what is known now is what is meant. */
	rebase(revision: number) {
		if (this.size) this.#began = revision;
	}

	/** What is asked for. What was typed into an item that is to come is said with the item; what goes says nothing more. */
	#wishes(): [string, Wish][] {
		const made = new Map(this.paths.map((path) => [path, this.at(path).wish] as const));
		for (const [above, item] of this.structure) {
			if (!made.has(above)) continue; // it is said with what it lies in
			for (const path of [...made.keys()].filter((one) => one.startsWith(`${above}.`))) {
				const value = made.get(path);
				if (item !== null && value !== undefined) made.set(above, withValue(made.get(above) ?? null, path.slice(above.length + 1).split('.'), value));
				made.delete(path);
			}
		}
		return [...made];
	}

	async save(where: Where, reason: string) {
		const wishes = this.#wishes();
		const settings = wishes.filter(([, value]) => value !== undefined).map(([path, value]) => ({ path, value: value ?? null }));
		const unset = wishes.filter(([, value]) => value === undefined).map(([path]) => path);
		const common = { settings, unset, reason, command: commandId() };
		if (where.amends) {
			await qi.request('bundle.amend', { ...common, bundle: where.target, pointer: where.amends.pointer, replaces: where.amends.digest });
		} else {
			await qi.request('config.patch', { ...common, scope: where.scope, target: where.target, expected: this.#began });
		}
		this.clear();
	}
}

const drafts = new SvelteMap<string, Draft>();
const keyOf = (...parts: string[]) => JSON.stringify([qi.user.name, ...parts]);

/** What was changed of an addon in one scope and not saved yet: kept while the window is open, wherever one goes. */
export function draftOf(addon: string, { scope, target }: Where): Draft {
	const key = keyOf(addon, scope, target);
	let draft = drafts.get(key);
	if (!draft) drafts.set(key, (draft = new Draft()));
	return draft;
}

/** Whether something of an addon is not saved yet, in this scope or in any. */
export function unsaved(addon: string, scope = ''): boolean {
	const begin = keyOf(addon, ...(scope ? [scope] : [])).slice(0, -1);
	return [...drafts].some(([key, draft]) => key.startsWith(`${begin},`) && draft.size > 0);
}

addEventListener('beforeunload', (event) => {
	if ([...drafts.values()].some((draft) => draft.size > 0)) event.preventDefault();
});

/** What a conflict tells of: the path, both values, and who says so. */
export interface Clash {
	path: string;
	theirs: Json;
	yours: Json;
	by: string;
	at: number;
	reason: string;
	revision: number;
	message: string;
}

export function clashOf(error: QiError): Clash | null {
	const { path, actual, theirs, yours, by, at, reason } = error.data;
	if (error.status !== 409 || typeof path !== 'string' || typeof actual !== 'number') return null;
	return {
		path, theirs: theirs ?? null, yours: yours ?? null, by: String(by || 'somebody'), at: Number(at) || 0,
		reason: String(reason ?? ''), revision: actual, message: error.message
	};
}
