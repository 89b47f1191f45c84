import { replaceState } from '$app/navigation';

type Parts = { [name: string]: string | number | boolean };

/** The address that is shown, with other parts; an empty one is left out. */
export function here(parts: Parts): string {
	const given = new URLSearchParams(location.search);
	for (const [name, value] of Object.entries(parts)) {
		if (value) given.set(name, String(value));
		else given.delete(name);
	}
	return location.pathname + (given.size ? `?${given}` : '');
}

/** What is shown goes into the address, so that it leads here again. `page.url` does not hear of it: read that at first only. */
export function keep(parts: Parts) {
	const next = here(parts);
	if (next !== location.pathname + location.search) replaceState(next, {});
}
