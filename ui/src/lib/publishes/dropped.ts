/** The files that were dropped, those inside of folders too; read while the drop is handled, or they are gone. */
export function filesOf(data: DataTransfer | null): Promise<File[]> {
	const items = [...(data?.items ?? [])].filter((one) => one.kind === 'file');
	// What a page made up is in no file system.
	const found = items.map((one) => one.webkitGetAsEntry() ?? one.getAsFile());
	return Promise.all(found.map(async (one) => (one === null ? [] : one instanceof File ? [one] : within(one)))).then((all) => all.flat());
}

async function within(entry: FileSystemEntry): Promise<File[]> {
	if (entry.name.startsWith('.')) return []; // systems leave such files in every folder
	if (entry.isFile) return [await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed))];
	const reader = (entry as FileSystemDirectoryEntry).createReader();
	const below: FileSystemEntry[] = [];
	// A hundred at a time, until there are none.
	for (;;) {
		const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
		if (!some.length) break;
		below.push(...some);
	}
	return (await Promise.all(below.map(within))).flat();
}
