import { Activity, Boxes, Clapperboard, Home, Puzzle, Settings2, ShieldCheck, Upload, History } from '@lucide/svelte';
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
	{ path: '/mesh', title: 'Mesh', key: 'm', icon: Activity, needs: 'read' },
	{ path: '/admin', title: 'Admin', key: 'd', icon: ShieldCheck, needs: 'user.manage' }
];
