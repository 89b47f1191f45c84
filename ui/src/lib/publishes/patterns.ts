/** Frames of one sequence become one pattern, `beauty.####.exr`; anything else stays a path. */
export function patterns(paths: string[]): string[] {
	const parts = paths.map((path) => /^(.*?)(\d+)(\.[A-Za-z0-9]+)$/.exec(path));
	const found = new Map<string, string[]>();
	paths.forEach((path, i) => {
		const part = parts[i];
		const key = part ? `${part[1]}${'#'.repeat(part[2]!.length)}${part[3]}` : path;
		found.set(key, [...(found.get(key) ?? []), path]);
	});
	return [...found].map(([key, some]) => (some.length > 1 ? key : some[0]!));
}
