import { toasts } from './toasts.svelte.ts';

/** Put a text into the clipboard, or say why not; answers whether it is there. */
export async function copy(text: string): Promise<boolean> {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		// Over plain http a page from another machine has no clipboard at all.
		toasts.show('failed', 'The browser lets this page copy nothing', window.isSecureContext ? '' : 'select the text instead, or serve the studio over https');
		return false;
	}
}
