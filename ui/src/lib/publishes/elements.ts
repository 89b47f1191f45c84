// What the built-in pages of publishes put into slots: made like an addon's elements, with the same client and no other.

interface About {
	project?: { name: string };
	entity?: { path: string };
}

class PublishHere extends HTMLElement {
	set about(told: About) {
		const link = document.createElement('a');
		const where = new URLSearchParams({ project: told.project?.name ?? '', entity: told.entity?.path ?? '' });
		Object.assign(link, { href: `/publish?${where}`, className: 'btn', textContent: 'Publish here' });
		this.replaceChildren(...(told.entity ? [link] : []));
	}
}

customElements.define('qi-publish-here', PublishHere);
