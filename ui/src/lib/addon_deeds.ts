import { qi } from './qi/client.svelte';
import type { AddonCommand, AddonWindow } from './qi/slots.svelte';
import { act, toasts } from './toasts.svelte';

const LONGEST_MS = 60_000;

/** Ask an addon what one of its commands stands for, and say what it answers. */
export async function run(one: AddonCommand) {
	toasts.show('running', one.title, one.addon);
	const told = await act(one.title, () => qi.ask(one.topic, {}, { addon: one.addon, timeoutMs: LONGEST_MS }));
	const text = (told as { text?: unknown } | undefined)?.text;
	if (typeof text === 'string') toasts.show('ok', text, one.title);
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
