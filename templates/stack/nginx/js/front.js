// The front door's judgement: called by Nginx for every request under /v2/
// before it is passed on (auth_request), and for the few that need more.
//
// The order matters: first the path must be one that cannot be read in two
// ways, then the password, then the rights. Nobody learns who may do what
// without a password.
import crypto from 'crypto';
import fs from 'fs';
import memory from 'memory.js';
import path from 'path.js';
import rights from 'rights.js';

const holdEvery = 25;       // ms between looks at the hold file
const holdWait = 120000;    // ms that a request is held at most
const tagLock = 30000;      // ms after which a lock on a tag is given up
const inner = 'http://127.0.0.1:8082';
const checker = 'http://127.0.0.1:8081/';

// authorize answers auth_request: 204 lets the request through. Anything else is
// 403 with the answer for the client in headers, which nginx.conf turns into
// variables and hands to `answer`; auth_request knows no other status.
async function authorize(r) {
    const out = r.headersOut;
    out['X-Method'] = r.variables.request_method;
    const asked = path.parse(r.variables.request_method, r.variables.request_uri);
    const refused = asked.status !== undefined;
    if (!refused) {
        out['X-Verb'] = asked.verb;
        out['X-Repository'] = asked.name;
        out['X-Reference'] = asked.ref;
        out['X-Query'] = asked.query === '' ? '' : '?' + asked.query;
    }
    const header = r.headersIn['Authorization'];
    if (!header) {
        if (asked.kind === 'base' && !await ready()) {
            return answerWith(r, 503, 'UNAVAILABLE', 'the registry behind this proxy does not answer', 'unavailable');
        }
        return answerWith(r, 401, 'UNAUTHORIZED', 'authentication required', 'anonymous');
    }
    const who = await memory.authenticate(header, r.variables.remote_addr);
    out['X-User'] = who.user;
    if (who.status === 401) {
        return answerWith(r, 401, 'UNAUTHORIZED', 'wrong user name or password', 'password');
    }
    if (who.status === 429) {
        return answerWith(r, 429, 'TOOMANYREQUESTS', 'too many wrong passwords, try again in a while', 'brake');
    }
    if (who.status !== undefined) {
        return answerWith(r, 503, 'UNAVAILABLE', 'passwords cannot be checked right now', 'unavailable');
    }
    out['X-Memory'] = who.how;
    const may = memory.rightsOf(who.user);
    if (may && may.expires !== undefined && Date.parse(may.expires) <= Date.now()) {
        return answerWith(r, 401, 'UNAUTHORIZED', 'user ' + who.user + ' ended on ' + may.expires, 'expired');
    }
    if (refused) {
        return answerWith(r, asked.status, asked.code, asked.message, 'path');
    }
    const head = r.variables.request_method === 'HEAD';
    if (!rights.allows(may || {}, asked.verb, asked.name, head)) {
        return answerWith(r, 403, 'DENIED', denial(who.user, asked), 'right');
    }
    if (asked.kind === 'uploads') {
        const query = mountQuery(may || {}, asked);
        if (query === null) {
            return answerWith(r, 400, 'NAME_INVALID', 'the query cannot be read in one way', 'path');
        }
        out['X-Query'] = query;
    }
    if (asked.kind === 'manifest' && asked.verb === 'push') {
        out['X-Query'] = '';
    }
    if (r.variables.request_method === 'DELETE' || asked.kind === 'manifest' && asked.verb === 'push') {
        if (!await released()) {
            return answerWith(r, 503, 'UNAVAILABLE', 'writes are held for maintenance, try again', 'held');
        }
    }
    if (asked.verb === 'delete' && asked.kind === 'manifest' && settings.immutable.length > 0) {
        const tag = await protectedTag(asked);
        if (tag !== '') {
            return answerWith(r, 403, 'DENIED', 'tag ' + tag + ' of ' + asked.name + ' is immutable', 'immutable');
        }
    }
    out['X-Decision'] = 'allowed';
    r.return(204);
}

function answerWith(r, status, code, message, decision) {
    r.headersOut['X-Status'] = String(status);
    r.headersOut['X-Code'] = code;
    r.headersOut['X-Message'] = message;
    r.headersOut['X-Decision'] = decision;
    r.return(403);
}

// ready tells whether both services behind answer. Whoever knocks without a
// password, a monitor or `regctl up`, learns of a registry that is down; looked
// at once a second at most.
async function ready() {
    const zone = ngx.shared.memory;
    if (zone.get('ready')) {
        return true;
    }
    try {
        const passwords = await ngx.fetch(checker);
        const registry = await ngx.fetch(inner + '/v2/');
        if (passwords.status !== 401 || registry.status !== 200) {
            return false;
        }
    } catch (e) {
        return false;
    }
    zone.set('ready', 'yes', 1000);
    return true;
}

function denial(user, asked) {
    if (asked.verb === 'admin') {
        return 'user ' + user + ' needs the right admin to list all repositories';
    }
    return 'user ' + user + ' lacks the right ' + asked.verb + ' on ' + asked.name;
}

// mountQuery is the query of an upload's start as it is forwarded. Mounting a
// blob reads the repository that it comes from: without that right it is taken
// out, and the registry starts a plain upload, as the specification foresees.
function mountQuery(may, asked) {
    const q = path.startQuery(asked.query);
    if (q === null) {
        return null;
    }
    const parts = [];
    if (q.mount !== '' && q.name !== '' && rights.allows(may, 'pull', q.name, false)) {
        parts.push('mount=' + q.mount, 'from=' + q.from);
    }
    if (q.digest !== '') {
        parts.push('digest=' + q.digest);
    }
    return parts.length === 0 ? '' : '?' + parts.join('&');
}

// released waits while the hold file is there and renewed. Its owner is a
// garbage collection that looks a last time at what is referenced.
async function released() {
    const began = Date.now();
    for (;;) {
        let age;
        try {
            age = Date.now() - fs.statSync(settings.hold).mtimeMs;
        } catch (e) {
            return true;
        }
        if (age > settings.holdAge) {
            return true;
        }
        if (Date.now() - began > holdWait) {
            return false;
        }
        await memory.sleep(holdEvery);
    }
}

// protectedTag names an immutable tag that a DELETE would take away: the tag
// itself, or one that points to the digest. '' is none.
async function protectedTag(asked) {
    if (!path.isDigest(asked.ref)) {
        return rights.immutable(settings.immutable, asked.name, asked.ref) ? asked.ref : '';
    }
    const tags = await protectedTags(asked.name);
    for (let i = 0; i < tags.length; i++) {
        if (await current(asked.name, tags[i]) === asked.ref) {
            return tags[i];
        }
    }
    return '';
}

// protectedTags lists the tags of a repository that a rule protects.
async function protectedTags(name) {
    const reply = await ngx.fetch(inner + '/v2/' + name + '/tags/list', { buffer_size: 65536, max_response_body_size: 33554432 });
    if (reply.status === 404) {
        return [];
    }
    if (reply.status !== 200) {
        throw new Error('tags of ' + name + ': ' + reply.status);
    }
    const list = (await reply.json()).tags || [];
    return list.filter(function (tag) { return rights.immutable(settings.immutable, name, tag); });
}

const manifestTypes = ['application/vnd.oci.image.index.v1+json', 'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.list.v2+json', 'application/vnd.docker.distribution.manifest.v2+json'].join(', ');

// current is the digest that a tag has now, '' for none.
async function current(name, tag) {
    const reply = await ngx.fetch(inner + '/v2/' + name + '/manifests/' + tag,
        { method: 'HEAD', headers: { Accept: manifestTypes } });
    if (reply.status === 404) {
        return '';
    }
    const digest = reply.headers.get('Docker-Content-Digest');
    if (reply.status !== 200 || !digest) {
        throw new Error('tag ' + tag + ' of ' + name + ': ' + reply.status);
    }
    return digest;
}

// guarded tells (js_set) whether a request puts a manifest under a protected
// tag: such a one goes to `put`.
function guarded(r) {
    const asked = path.parse(r.variables.request_method, r.variables.request_uri);
    return asked.kind === 'manifest' && asked.verb === 'push' && !path.isDigest(asked.ref) &&
        rights.immutable(settings.immutable, asked.name, asked.ref) ? '1' : '';
}

// put stores a manifest under a protected tag, unless another one is there. One
// at a time for each tag: two pushes must not both find it free.
async function put(r) {
    const asked = path.parse(r.variables.request_method, r.variables.request_uri);
    const lock = 'tag ' + asked.name + ':' + asked.ref;
    const began = Date.now();
    while (!ngx.shared.memory.add(lock, 'on', tagLock)) {
        if (Date.now() - began > tagLock) {
            return send(r, 503, 'UNAVAILABLE', 'another push of ' + asked.ref + ' does not end');
        }
        await memory.sleep(holdEvery);
    }
    try {
        // An empty Buffer is an error to njs.
        const body = r.requestBuffer && r.requestBuffer.length > 0 ? r.requestBuffer : '';
        const digest = 'sha256:' + crypto.createHash('sha256').update(body).digest('hex');
        const there = await current(asked.name, asked.ref);
        if (there !== '' && there !== digest) {
            r.variables.front_decision = 'immutable';
            return send(r, 403, 'DENIED', 'tag ' + asked.ref + ' of ' + asked.name + ' is immutable and is ' + there);
        }
        const reply = await ngx.fetch(inner + '/v2/' + asked.name + '/manifests/' + asked.ref, {
            method: 'PUT', body: body,
            headers: { 'Content-Type': r.headersIn['Content-Type'] || '', 'Host': r.headersIn['Host'] || '' },
        });
        ['Location', 'Docker-Content-Digest', 'OCI-Subject', 'Content-Type', 'Docker-Distribution-Api-Version'].forEach(function (h) {
            const value = reply.headers.get(h);
            if (value) {
                r.headersOut[h] = value;
            }
        });
        const text = await reply.text();
        r.return(reply.status, text);
    } finally {
        ngx.shared.memory.delete(lock);
    }
}

function send(r, status, code, message) {
    r.headersOut['Content-Type'] = 'application/json';
    r.return(status, JSON.stringify({ errors: [{ code: code, message: message, detail: null }] }) + '\n');
}

// answer tells the client what `authorize` found, in the registry's own form.
function answer(r) {
    const v = r.variables;
    const status = Number(v.front_status) || 403;
    if (status === 401) {
        r.headersOut['WWW-Authenticate'] = 'Basic realm="' + settings.realm + '"';
    }
    if (status === 429 || status === 503) {
        r.headersOut['Retry-After'] = '10';
    }
    r.headersOut['Docker-Distribution-Api-Version'] = 'registry/2.0';
    send(r, status, v.front_code || 'DENIED', v.front_message || 'refused');
}

export default { authorize, answer, guarded, put };
