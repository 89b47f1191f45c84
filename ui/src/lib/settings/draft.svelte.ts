import { SvelteMap } from 'svelte/reactivity';
import type { Json } from '#lib/contracts.ts';
import { qi, type QiError } from '#lib/qi/client.svelte.ts';
import { commandId } from '#lib/qi/live.svelte.ts';

/** A value to set; undefined gives the path back to the layers below. */
export type Wish = Json | undefined;

export interface Where {
	scope: string;
	target: string;
	/** A frozen bundle is changed by a new one that takes its place. */
	amends: { pointer: string; digest: string } | null;
}

/** What somebody changed and did not save yet. A field reads its own path only, so that a keystroke touches one field. */
export class Draft {
	readonly wishes = new SvelteMap<string, Wish>();
	readonly faults = new SvelteMap<string, string>();
	/** Revision of the scope when the first change was made. */
	#began: number | null = null;

	get size() {
		return this.wishes.size;
	}

	set(path: string, wish: Wish, revision: number, fault = '') {
		this.#began ??= revision;
		this.wishes.set(path, wish);
		if (fault) this.faults.set(path, fault);
		else this.faults.delete(path);
	}

	drop(path: string) {
		this.wishes.delete(path);
		this.faults.delete(path);
		if (!this.wishes.size) this.#began = null;
	}

	clear() {
		this.wishes.clear();
		this.faults.clear();
		this.#began = null;
	}

	/** After a conflict was decided: what is known now is what is meant. */
	rebase(revision: number) {
		if (this.wishes.size) this.#began = revision;
	}

	async save(where: Where, reason: string) {
		const wishes = [...this.wishes];
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
