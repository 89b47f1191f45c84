import type { Notice } from './contracts';
import { qi } from './qi/client.svelte';
import { toasts } from './toasts.svelte';

export const LEVELS: Record<string, 'ok' | 'failed' | 'blocked' | 'info'> = { success: 'ok', info: 'info', warning: 'blocked', error: 'failed' };

/** What addons and services had to say to this person; read or not, the newest first. */
class Notices {
	all = $state.raw<Notice[]>([]);
	unread = $derived(this.all.filter((one) => !one.read).length);

	async refresh() {
		this.all = (await qi.request('notice.list', { limit: 30 })).notices;
	}

	/** Until it is called off: what comes is shown for a moment, and kept. */
	listen(session: string): () => void {
		void this.refresh();
		return qi.feed(`qi.session.${session}.notice`, ({ data }) => {
			const one = data as unknown as Notice;
			toasts.show(LEVELS[one.level] ?? 'info', one.text, one.source);
			void this.refresh();
		});
	}

	async read() {
		if (!this.unread) return;
		await qi.request('notice.read', {});
		await this.refresh();
	}
}

export const notices = new Notices();
