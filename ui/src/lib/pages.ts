import { Activity, Boxes, Clapperboard, Home, ListChecks, Puzzle, Settings2, ShieldCheck, Upload, History } from '@lucide/svelte';
import type { Component } from 'svelte';

export interface PageEntry {
	path: string;
	title: string;
	/** Pressed after `g`. */
	key: string;
	icon: Component;
	needs: string;
}

/** The rail, from top to bottom. A page that its user may not read is not in it. */
export const PAGES: PageEntry[] = [
	{ path: '/', title: 'Home', key: 'h', icon: Home, needs: 'read' },
	{ path: '/publish', title: 'Publish', key: 'n', icon: Upload, needs: 'publish.create' },
	{ path: '/publishes', title: 'Publishes', key: 'p', icon: Clapperboard, needs: 'read' },
	{ path: '/history', title: 'History', key: 'i', icon: History, needs: 'history.read' },
	{ path: '/settings', title: 'Settings', key: 's', icon: Settings2, needs: 'read' },
	{ path: '/bundles', title: 'Bundles', key: 'b', icon: Boxes, needs: 'read' },
	{ path: '/addons', title: 'Addons', key: 'a', icon: Puzzle, needs: 'read' },
	{ path: '/jobs', title: 'Jobs', key: 'j', icon: ListChecks, needs: 'job.run' },
	{ path: '/mesh', title: 'Mesh', key: 'm', icon: Activity, needs: 'read' },
	{ path: '/admin', title: 'Admin', key: 'd', icon: ShieldCheck, needs: 'user.manage' }
];

/** Where the palette leads besides: pages below others, and what is done on a page. */
export const DEEDS: { group: 'Pages' | 'Commands'; path: string; title: string; needs: string }[] = [
	{ group: 'Pages', path: '/admin/log', title: 'The log', needs: 'history.read' },
	{ group: 'Pages', path: '/admin/logs', title: 'Logs of programs', needs: 'studio.manage' },
	{ group: 'Commands', path: '/jobs?start', title: 'Start a job…', needs: 'job.run' },
	{ group: 'Commands', path: '/admin/log#backup', title: 'Back up the log…', needs: 'log.manage' },
	{ group: 'Commands', path: '/settings?invalid', title: 'Settings that do not count', needs: 'read' }
];
