import type { LogBackup } from '../contracts';
import { asQiError, qi, type QiError } from '../qi/client.svelte';
import { remember, remembered } from '../theme.svelte';
import { toasts } from '../toasts.svelte';

const FOLDER = 'qi.backups';

/** One copy of the log at a time; it goes on while its user is on another page. */
class Backup {
	path = $state('');
	/** When it began, milliseconds; 0 when none is made. */
	since = $state(0);
	/** How far it is: `copying` or `proving`, and the share of that, 0 to 1. */
	stage = $state('');
	share = $state(0);
	done = $state.raw<LogBackup | null>(null);
	error = $state.raw<QiError | null>(null);

	/** A file of today in the folder that was named last. */
	propose() {
		if (this.path || this.since) return;
		const folder = remembered(FOLDER);
		if (folder) this.path = `${folder}/events-${new Date().toISOString().slice(0, 16).replaceAll(/[-:]/g, '')}.db`;
	}

	async begin() {
		const path = this.path.trim();
		this.since = Date.now();
		this.done = this.error = null;
		[this.stage, this.share] = ['copying', 0];
		const stop = qi.feed(`qi.feed.backup.${qi.session}`, (told) => ([this.stage, this.share] = [String(told.data.stage), Number(told.data.share)]));
		try {
			this.done = await qi.request('log.backup', { path });
			remember(FOLDER, path.replace(/[\\/][^\\/]*$/, ''));
			this.path = '';
			toasts.show('ok', 'The log was backed up', this.done.path, '/admin/log');
		} catch (thrown) {
			this.error = asQiError(thrown);
			if (location.pathname !== '/admin/log') toasts.show('failed', this.error.message, this.error.remedy, '/admin/log');
		} finally {
			stop();
			this.since = 0;
		}
	}
}

export const backup = new Backup();
