import type { Application } from './contracts';
import { qi } from './qi/client.svelte';
import { act } from './toasts.svelte';

/** How a context is named where there is little room. */
export const shortly = (project: string, entity: string, task = '') => [entity.split('/').at(-1) || project, task].filter(Boolean).join(' · ');

/** Start an application on the user's own desktop. */
export const launch = (one: Application, project: string, entity: string, task: string) =>
	act(`${one.title} runs in ${shortly(project, entity, task)}`, () =>
		qi.request('application.launch', { addon: one.addon, name: one.name, project, entity, task })
	);
