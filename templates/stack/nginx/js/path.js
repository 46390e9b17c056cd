// What a request asks for: which repository, which verb, which tag or digest.
//
// Pure functions of strings, tested outside Nginx as well. The path is taken
// as the client sent it, and anything that two programs could read in two ways
// (percent-encoding, dot segments, doubled slashes) is refused, so that what is
// judged here is what Nginx forwards and the registry reads.

// component of the registry's own grammar (distribution/reference, regexp.go).
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const nameForm = new RegExp('^' + component + '(?:/' + component + ')*$');
const longestName = 255;
const longestRef = 256; // a tag has 128, a sha512 digest 135, an upload's UUID 36
const pathForm = /^\/v2\/[A-Za-z0-9._:=+\/-]*$/;
const digestForm = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/;

function refuse(status, code, message) {
    return { status: status, code: code, message: message };
}

function notAllowed(method) {
    return refuse(405, 'UNSUPPORTED', 'the method ' + method + ' is not supported here');
}

// parse reads a request line. It returns
//   { kind, verb, name, ref, query }   verb: '' (a valid user will do), pull, push, delete, admin
//   { status, code, message }          where it must be refused
function parse(method, uri) {
    const mark = uri.indexOf('?');
    const path = mark < 0 ? uri : uri.slice(0, mark);
    const query = mark < 0 ? '' : uri.slice(mark + 1);
    if (!pathForm.test(path)) {
        return refuse(400, 'NAME_INVALID', 'the path has characters that no registry path has');
    }
    const segments = path.slice('/v2/'.length).split('/');
    const n = segments.length;
    for (let i = 0; i < n; i++) {
        const last = i === n - 1;
        if (segments[i] === '.' || segments[i] === '..' || segments[i] === '' && !last) {
            return refuse(400, 'NAME_INVALID', 'the path has an empty or a dot segment');
        }
    }
    const read = method === 'GET' || method === 'HEAD';
    if (n === 1 && segments[0] === '') {
        return read ? { kind: 'base', verb: '', name: '', ref: '', query: query } : notAllowed(method);
    }
    if (n === 1 && segments[0] === '_catalog') {
        return read ? { kind: 'catalog', verb: 'admin', name: '', ref: '', query: query } : notAllowed(method);
    }
    // The end of the path tells what it is; a repository may have any of these
    // words in its name.
    let kind = '', ref = '', end = 0, verb = '';
    if (n > 2 && segments[n - 2] === 'tags' && segments[n - 1] === 'list') {
        kind = 'tags'; end = n - 2;
        verb = read ? 'pull' : '';
    } else if (n > 3 && segments[n - 3] === 'blobs' && segments[n - 2] === 'uploads') {
        ref = segments[n - 1];
        kind = ref === '' ? 'uploads' : 'upload'; end = n - 3;
        if (kind === 'uploads') {
            verb = method === 'POST' ? 'push' : '';
        } else {
            verb = read || method === 'PATCH' || method === 'PUT' || method === 'DELETE' ? 'push' : '';
        }
    } else if (n > 2 && segments[n - 2] === 'manifests' && segments[n - 1] !== '') {
        kind = 'manifest'; ref = segments[n - 1]; end = n - 2;
        verb = read ? 'pull' : method === 'PUT' ? 'push' : method === 'DELETE' ? 'delete' : '';
    } else if (n > 2 && segments[n - 2] === 'blobs' && segments[n - 1] !== '' && segments[n - 1] !== 'uploads') {
        kind = 'blob'; ref = segments[n - 1]; end = n - 2;
        verb = read ? 'pull' : method === 'DELETE' ? 'delete' : '';
    } else if (n > 2 && segments[n - 2] === 'referrers' && segments[n - 1] !== '') {
        kind = 'referrers'; ref = segments[n - 1]; end = n - 2;
        verb = read ? 'pull' : '';
    } else {
        return refuse(404, 'NOT_FOUND', 'no such path in the registry API');
    }
    const name = segments.slice(0, end).join('/');
    if (name.length > longestName || !nameForm.test(name)) {
        return refuse(404, 'NAME_INVALID', 'invalid repository name');
    }
    if (ref.length > longestRef) {
        return refuse(404, 'NOT_FOUND', 'no reference is that long');
    }
    if (verb === '') {
        return notAllowed(method);
    }
    return { kind: kind, verb: verb, name: name, ref: ref, query: query };
}

// isDigest tells a digest from a tag.
function isDigest(ref) {
    return digestForm.test(ref);
}

// startQuery reads the query of the start of an upload. Only what the registry
// knows is kept, and each of it once: a name given twice could be read in two
// ways. The result has mount, from and digest as the client wrote them, and
// name as the decoded repository in from.
function startQuery(query) {
    const out = { mount: '', from: '', digest: '', name: '' };
    if (query === '') {
        return out;
    }
    const seen = {};
    const parts = query.split('&');
    for (let i = 0; i < parts.length; i++) {
        const eq = parts[i].indexOf('=');
        const key = eq < 0 ? parts[i] : parts[i].slice(0, eq);
        const value = eq < 0 ? '' : parts[i].slice(eq + 1);
        // A key that needs decoding, a semicolon (once a separator) or a blank.
        if (!/^[A-Za-z_-]*$/.test(key) || /[;+\s]/.test(value)) {
            return null;
        }
        if (key !== 'mount' && key !== 'from' && key !== 'digest') {
            continue;
        }
        if (seen[key]) {
            return null;
        }
        seen[key] = true;
        out[key] = value;
    }
    if (out.from !== '') {
        let name;
        try {
            name = decodeURIComponent(out.from);
        } catch (e) {
            return null;
        }
        // In Nginx's engine $ matches before a last line break too.
        if (name.length > longestName || !nameForm.test(name) || name.indexOf('\n') >= 0) {
            return null;
        }
        out.name = name;
    }
    return out;
}

export default { parse, isDigest, startQuery };
