import { remember, remembered } from './theme.svelte';

/** What the user works on: it is shown on top, and pages begin with it. */
class WorkContext {
	project = $state(remembered('qi.project') ?? '');
	entity = $state('');
	task = $state('');

	choose(project: string, entity = '', task = '') {
		this.project = project;
		this.entity = entity;
		this.task = task;
		remember('qi.project', project);
		window.dispatchEvent(new CustomEvent('qi:context', { detail: { project, entity, task } }));
	}
}

export const work = new WorkContext();
