/**
 * /etc/group with `user` in the group `gid`, so that it may open a node of that group; the node itself may be the
 * host's and is never changed. The same text when there is nothing to do. group(5).
 */
export function joinGroup(text: string, gid: number, user: string): string {
  const lines = text.split('\n');
  const index = lines.findIndex((line) => line.split(':')[2] === String(gid));
  if (index === -1) return `${text.replace(/\n*$/, '\n')}${freeName(lines, `device${gid}`)}:x:${gid}:${user}\n`;
  const [name = '', password = 'x', id = '', members = ''] = (lines[index] ?? '').split(':');
  const present = members.split(',').filter(Boolean);
  if (present.includes(user)) return text;
  lines[index] = [name, password, id, [...present, user].join(',')].join(':');
  return lines.join('\n');
}

function freeName(lines: readonly string[], wished: string): string {
  return lines.some((line) => line.startsWith(`${wished}:`)) ? freeName(lines, `${wished}x`) : wished;
}
