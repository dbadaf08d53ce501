export function build(root) { return {}; }
