import type { Topics } from '../contracts';
import { qi } from './client.svelte';

type Paged = { [T in keyof Topics]: Topics[T][1] extends { items: unknown[]; next: string } ? T : never }[keyof Topics];
type Item<T extends Paged> = Topics[T][1]['items'][number];

/** A reply must stay small, whatever a studio keeps of each thing. */
const PAGE = 500;
/** More than that nobody looks through, and no page shows well. */
const MOST = 20_000;

export interface Whole<I> {
	items: I[];
	/** There are others besides: it is said where they are missing. */
	more: boolean;
}

/** All that a topic lists, page by page, unless it is over meanwhile. */
export async function whole<T extends Paged>(topic: T, asked: Topics[T][0], over?: AbortSignal): Promise<Whole<Item<T>>> {
	const items: Item<T>[] = [];
	for (let after = ''; ; ) {
		const page = await qi.request(topic, { ...asked, after, limit: PAGE });
		items.push(...(page.items as Item<T>[]));
		after = page.next;
		if (!after || items.length >= MOST || over?.aborted) return { items, more: after !== '' };
	}
}
