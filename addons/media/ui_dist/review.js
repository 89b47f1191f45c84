// The review movie of a version, in the slot `version.action`: a button where there is a movie, and a player behind it.

const MOVIE = /\.(mp4|webm|mov)$/i;

class Review extends HTMLElement {
    async connectedCallback() {
        const { project, version, product } = this.about ?? {};
        if (!project || !version) return;
        const { items } = await window.qi.request('db.representation.list', { project, version: version.id });
        const movie = items.find((one) => one.files.some((file) => MOVIE.test(file.path)));
        if (!movie || !this.isConnected) return;
        const name = `${product?.name ?? 'version'} v${String(version.number).padStart(3, '0')}`;
        const button = document.createElement('button');
        Object.assign(button, { type: 'button', className: 'btn btn-quiet', textContent: 'Review', ariaLabel: `Review ${name}` });
        button.addEventListener('click', () => this.play(name, [project, version.id, movie.name]));
        this.replaceChildren(button);
    }

    play(name, place) {
        const dialog = document.createElement('dialog');
        dialog.ariaLabel = name;
        Object.assign(dialog.style, {
            margin: 'auto', padding: '16px', width: 'min(92vw, 960px)', color: 'var(--text)', background: 'var(--raised)',
            border: '1px solid var(--line-strong)', borderRadius: '8px'
        });
        const title = document.createElement('h2');
        Object.assign(title, { className: 'section', textContent: name });
        const movie = document.createElement('video');
        Object.assign(movie, { src: `/media/${place.map(encodeURIComponent).join('/')}`, controls: true, autoplay: true, loop: true });
        Object.assign(movie.style, { width: '100%', maxHeight: '64vh', background: 'var(--bg)' });
        dialog.append(title, movie);
        dialog.addEventListener('close', () => dialog.remove());
        // Beside the picture nothing is to be pressed: a press there closes it.
        dialog.addEventListener('click', (press) => press.target === dialog && dialog.close());
        this.append(dialog);
        dialog.showModal();
    }
}

customElements.define('media-review', Review);
