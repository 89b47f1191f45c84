import { asQiError, qi } from './qi/client.svelte';
import { slots, type AddonCommand, type AddonWindow } from './qi/slots.svelte';
import { act, toasts } from './toasts.svelte';

const LONGEST_MS = 60_000;

declare global {
	interface Window {
		/** Commands that were chosen in the tray: the desktop leaves them here and says `qi:run`, which a page that is
		 * still to come does not hear. An address runs nothing: any site could send somebody there. */
		qiChosen?: AddonCommand[];
	}
}

/** Ask an addon what one of its commands stands for, and say what it answers. */
export async function run(one: AddonCommand) {
	const running = toasts.show('running', one.title, one.addon);
	try {
		const told = (await qi.ask(one.topic, {}, { addon: one.addon, timeoutMs: LONGEST_MS })) as { text?: unknown } | null;
		const text = typeof told?.text === 'string' ? told.text : '';
		toasts.show('ok', text || one.title, text ? one.title : '');
	} catch (error) {
		const refused = asQiError(error);
		toasts.show('failed', refused.message, refused.remedy);
	} finally {
		toasts.close(running);
	}
}

/** Each command that was chosen in the tray, once, as soon as this window is in. */
export async function runChosen() {
	await slots.known;
	for (const one of window.qiChosen?.splice(0) ?? []) void run(one);
}

/** Show a window of an addon: one of the desktop's own where there is a desktop, else one of the browser. */
export async function open(one: AddonWindow) {
	const path = `/pages/${one.addon}/${one.element}?window=${one.name}`;
	const { width, height } = one;
	if (document.documentElement.dataset.desktop) {
		const asked = { name: `${one.addon}.${one.name}`, path, title: one.title, width, height };
		await act(one.title, () => qi.request('window.open', asked));
	} else window.open(path, `${one.addon}.${one.name}`, `popup,width=${width},height=${height}`);
}
