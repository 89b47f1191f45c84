export interface Dropped {
	file: File;
	/** Where it lay among what was dropped, `plates/left/`; the same names may lie in several folders. */
	folder: string;
}

/** The files that were dropped, those inside of folders too; read while the drop is handled, or they are gone. */
export function filesOf(data: DataTransfer | null): Promise<Dropped[]> {
	const items = [...(data?.items ?? [])].filter((one) => one.kind === 'file');
	// What a page made up is in no file system.
	const found = items.map((one) => one.webkitGetAsEntry() ?? one.getAsFile());
	return Promise.all(found.map(async (one) => (one === null ? [] : one instanceof File ? loose([one]) : within(one)))).then((all) => all.flat());
}

export const loose = (files: Iterable<File>): Dropped[] => [...files].map((file) => ({ file, folder: '' }));

async function within(entry: FileSystemEntry): Promise<Dropped[]> {
	if (entry.name.startsWith('.')) return []; // systems leave such files in every folder
	const folder = entry.fullPath.slice(1, -entry.name.length);
	if (entry.isFile) return [{ folder, file: await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed)) }];
	const reader = (entry as FileSystemDirectoryEntry).createReader();
	const below: FileSystemEntry[] = [];
	// A hundred at a time, until there are none.
	for (;;) {
		const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
		if (!some.length) break;
		below.push(...some);
	}
	below.sort((one, other) => one.name.localeCompare(other.name));
	return (await Promise.all(below.map(within))).flat();
}
