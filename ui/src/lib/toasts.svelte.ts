import { asQiError } from './qi/client.svelte';

export interface Toast {
	id: number;
	/** A state's look, or `info`, which is none. */
	level: 'ok' | 'failed' | 'running' | 'blocked' | 'info';
	text: string;
	detail: string;
	href?: string;
}

class Toasts {
	all = $state<Toast[]>([]);
	#next = 1;

	/** Answers its id, by which it can be closed earlier. */
	show(level: Toast['level'], text: string, detail = '', href?: string): number {
		const id = this.#next++;
		this.all = [...this.all.slice(-4), { id, level, text, detail, href }];
		setTimeout(() => this.close(id), level === 'failed' ? 12_000 : 5_000);
		return id;
	}

	close(id: number) {
		this.all = this.all.filter((one) => one.id !== id);
	}
}

export const toasts = new Toasts();

/** Do what somebody asked for, and say how it went. What went wrong is answered as undefined. */
export async function act<T>(done: string, work: () => Promise<T>, href?: string): Promise<T | undefined> {
	try {
		const result = await work();
		toasts.show('ok', done, '', href);
		return result;
	} catch (error) {
		const refused = asQiError(error);
		toasts.show('failed', refused.message, refused.remedy);
		return undefined;
	}
}
