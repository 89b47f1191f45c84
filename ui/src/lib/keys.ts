/** What every page knows of the keyboard, beside the palette: rows of tables, and what is open beside a list. */
import { tick } from 'svelte';

const REACHED = 'a[href], button:not(:disabled), select:not(:disabled), input:not(:disabled)';
/** Whatever takes the arrow keys for itself. */
const OWN_ARROWS = 'select, textarea, input:not([type=checkbox]), [contenteditable], [role=grid], [role=tree], [role=radiogroup]';

/** From a control in a row of a table to the same one of the next row, or of the one before. */
export function moveInTable(event: KeyboardEvent): boolean {
	const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
	const from = event.target as HTMLElement;
	const row = from.closest<HTMLElement>('tbody > tr');
	if (!step || !row || event.altKey || from.closest(OWN_ARROWS)) return false;
	const at = [...row.querySelectorAll(REACHED)].indexOf(from);
	for (let next = beside(row, step); next; next = beside(next, step)) {
		const there = [...next.querySelectorAll<HTMLElement>(REACHED)];
		if (!there.length) continue;
		event.preventDefault();
		(there[at] ?? there.at(-1))?.focus();
		return true;
	}
	return false;
}
const beside = (row: Element, step: number) => (step > 0 ? row.nextElementSibling : row.previousElementSibling);

/** Close what is open beside a list, by its own button; the focus goes back to the row it was about. */
export async function closeBeside(event: KeyboardEvent) {
	const close = [...document.querySelectorAll<HTMLElement>('main [data-close]')].at(-1);
	if (!close) return;
	event.preventDefault();
	const row = document.querySelector<HTMLElement>('main [role=grid]:has([aria-selected=true]), main tr[aria-selected=true] button, main button[aria-pressed=true]');
	close.click();
	await tick();
	row?.focus();
}
