import type { InvalidSetting, Json, ScopeSettings } from '#lib/contracts.ts';

export interface Row {
	path: string;
	/** Undefined where there was no such setting. */
	then: Json | undefined;
	now: Json | undefined;
	/** Which layer said so then. */
	layer: string;
}

/** Paths of all values, `addon.group.field`. */
export function flat(values: { [key: string]: Json }, above = ''): Map<string, Json> {
	const found = new Map<string, Json>();
	for (const [key, value] of Object.entries(values)) {
		const branch = typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
		if (branch) for (const [path, one] of flat(value as { [key: string]: Json }, `${above}${key}.`)) found.set(path, one);
		else found.set(above + key, value);
	}
	return found;
}

/** The highest layer that says something at a path, what does not count left out. `scopes` are from the lowest up. */
export function layerOf(path: string, scopes: [string, ScopeSettings][], invalid: InvalidSetting[]): string {
	const touches = (other: string) => other === path || path.startsWith(`${other}.`) || other.startsWith(`${path}.`);
	const counts = (layer: string, other: string) => !invalid.some((one) => one.layer === layer && one.path === other);
	for (const [layer, scope] of scopes.toReversed())
		if (scope.settings.some((one) => touches(one.path) && counts(layer, one.path))) return layer;
	return 'default';
}

export const differs = (row: Row) => JSON.stringify(row.then) !== JSON.stringify(row.now);
