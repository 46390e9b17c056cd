// Who may do what: patterns of repositories by verb. Pure functions, tested
// outside Nginx as well; pkg/users writes the file that these rights come from.

// matches tells whether a pattern takes a repository in: '**' everything,
// 'team/**' everything below team/, '*' any text within one component. Like
// glob it goes back to the last '**' only, so no pattern makes it slow.
function matches(pattern, name) {
    const p = pattern.split('/'), n = name.split('/');
    if (p[p.length - 1] === '**') {
        p.push('*'); // at least one component below
    }
    let i = 0, j = 0, star = -1, mark = 0;
    while (j < n.length) {
        if (i < p.length && p[i] === '**') {
            star = i++;
            mark = j;
        } else if (i < p.length && glob(p[i], n[j])) {
            i++;
            j++;
        } else if (star >= 0) {
            i = star + 1;
            j = ++mark;
        } else {
            return false;
        }
    }
    return i === p.length;
}

// glob matches one text against a pattern in which '*' stands for any number of
// characters. It goes through both once: no pattern makes it slow.
function glob(pattern, text) {
    let p = 0, t = 0, star = -1, mark = 0;
    while (t < text.length) {
        if (p < pattern.length && pattern[p] === '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.length && pattern[p] === text[t]) {
            p++;
            t++;
        } else if (star >= 0) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.length && pattern[p] === '*') {
        p++;
    }
    return p === pattern.length;
}

function any(patterns, name) {
    for (let i = 0; patterns && i < patterns.length; i++) {
        if (matches(patterns[i], name)) {
            return true;
        }
    }
    return false;
}

// allows judges a verb on a repository. Who may push may ask whether something
// is there (HEAD), since every client does before it uploads; fetching it takes
// the right to pull.
function allows(rights, verb, name, head) {
    if (rights.admin === true || verb === '') {
        return true;
    }
    if (verb === 'admin') {
        return false;
    }
    return any(rights[verb], name) || verb === 'pull' && head && any(rights.push, name);
}

// immutable tells whether a rule such as 'release/**:v*' protects a tag.
function immutable(rules, name, tag) {
    for (let i = 0; i < rules.length; i++) {
        const colon = rules[i].lastIndexOf(':');
        if (matches(rules[i].slice(0, colon), name) && glob(rules[i].slice(colon + 1), tag)) {
            return true;
        }
    }
    return false;
}

// concerns tells whether any rule is about a repository.
function concerns(rules, name) {
    for (let i = 0; i < rules.length; i++) { // preloaded: no array, it has no `some`
        if (matches(rules[i].slice(0, rules[i].lastIndexOf(':')), name)) {
            return true;
        }
    }
    return false;
}

export default { matches, allows, immutable, concerns };
