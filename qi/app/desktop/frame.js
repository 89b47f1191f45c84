// The frame of a frameless window: eight handles by which it is sized. The page moves it by any element of the class
// `pywebview-drag-region`, and styles itself by `data-desktop`.
(() => {
  const root = document.documentElement
  if (root.dataset.desktop) return
  root.dataset.desktop = "frameless"

  // pywebview makes the functions of its bridge with `new Function`, which the pages' policy forbids.
  const wv = window.pywebview
  for (const name of ["about", "place", "put", "minimize", "maximize", "close"]) {
    wv._returnValuesCallbacks[name] ??= {}
    wv.api[name] ??= (...given) =>
      new Promise((resolve, reject) => {
        const id = crypto.randomUUID()
        wv._checkValue(name, resolve, reject, id)
        wv._jsApiCallback(name, given, id)
      })
  }
  window.dispatchEvent(new CustomEvent("qi:desktop"))

  // WebKit selects the page's words while the window is moved.
  root.addEventListener("selectstart", (event) => {
    const at = event.target instanceof Element ? event.target : event.target.parentElement
    if (at?.closest(".pywebview-drag-region")) event.preventDefault()
  })

  // Without it nobody sees where a dark window ends that lies on another.
  const line = document.createElement("div")
  line.setAttribute("aria-hidden", "true")
  const border = "1px solid color-mix(in srgb, currentColor 22%, transparent)"
  Object.assign(line.style, { position: "fixed", inset: "0", border, pointerEvents: "none", zIndex: "2147483647" })
  document.body.append(line)

  const edges = { n: "ns", s: "ns", e: "ew", w: "ew", ne: "nesw", sw: "nesw", nw: "nwse", se: "nwse" }
  const thick = 5
  for (const [edge, cursor] of Object.entries(edges)) {
    const handle = document.createElement("div")
    handle.setAttribute("aria-hidden", "true")
    const style = { position: "fixed", zIndex: "2147483647", cursor: `${cursor}-resize` }
    const corner = edge.length === 2
    const size = `${corner ? thick * 2 : thick}px`
    if (edge.includes("n")) style.top = "0"
    if (edge.includes("s")) style.bottom = "0"
    if (edge.includes("w")) style.left = "0"
    if (edge.includes("e")) style.right = "0"
    if (corner || edge === "n" || edge === "s") style.height = size
    if (corner || edge === "e" || edge === "w") style.width = size
    if (edge === "n" || edge === "s") Object.assign(style, { left: "0", right: "0" })
    if (edge === "e" || edge === "w") Object.assign(style, { top: "0", bottom: "0" })
    Object.assign(handle.style, style)
    handle.addEventListener("pointerdown", (down) => size_by(handle, edge, down))
    document.body.append(handle)
  }

  async function size_by(handle, edge, down) {
    handle.setPointerCapture(down.pointerId)
    const api = window.pywebview.api
    const from = await api.place()
    let wanted = null
    let under_way = false
    const send = async () => {
      if (under_way || !wanted) return
      under_way = true
      const { x, y, width, height } = wanted
      wanted = null
      await api.put(x, y, width, height)
      under_way = false
      send()
    }
    const move = (event) => {
      const dx = event.screenX - down.screenX
      const dy = event.screenY - down.screenY
      const next = { ...from }
      if (edge.includes("e")) next.width += dx
      if (edge.includes("s")) next.height += dy
      if (edge.includes("w")) Object.assign(next, { x: from.x + dx, width: from.width - dx })
      if (edge.includes("n")) Object.assign(next, { y: from.y + dy, height: from.height - dy })
      wanted = next
      send()
    }
    const up = () => {
      handle.removeEventListener("pointermove", move)
      handle.removeEventListener("pointerup", up)
    }
    handle.addEventListener("pointermove", move)
    handle.addEventListener("pointerup", up)
  }
})()
