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
const repoLock = 300000;    // ms after which a lock on a repository is given up
const lockWait = 60000;     // ms to wait for one
const inner = 'http://127.0.0.1:8082';
const checker = 'http://127.0.0.1:8081/';
// Headers of the registry's answers to writes.
const passedBack = ['Location', 'Docker-Content-Digest', 'OCI-Subject', 'OCI-Tag', 'Content-Type', 'Docker-Distribution-Api-Version', 'Warning'];
const heldText = 'writes are held for maintenance, try again';
const manifestTypes = ['application/vnd.oci.image.index.v1+json', 'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.docker.distribution.manifest.list.v2+json', 'application/vnd.docker.distribution.manifest.v2+json'].join(', ');

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
    // Manifests and deletions wait in `write`, once they are there whole.
    if (asked.kind === 'upload' && r.variables.request_method === 'DELETE' && !await released()) {
        return answerWith(r, 503, 'UNAVAILABLE', heldText, 'held');
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
            age = Math.abs(Date.now() - fs.statSync(settings.hold).mtimeMs);
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

// protectedBy names an immutable tag that a DELETE would damage: the tag itself,
// one that points to the digest or to an index with it. Blobs of a repository
// with such a tag stay: no client deletes blobs, and which one a tag needs is
// for a garbage collection to find out. '' is none.
async function protectedBy(asked) {
    if (asked.kind === 'manifest' && !path.isDigest(asked.ref)) {
        return rights.immutable(settings.immutable, asked.name, asked.ref) ? asked.ref : '';
    }
    const tags = await protectedTags(asked.name);
    if (asked.kind === 'blob') {
        return tags.length > 0 ? tags[0] : '';
    }
    const seen = {};
    for (let i = 0; i < tags.length; i++) {
        if (await reaches(asked.name, tags[i], asked.ref, seen)) {
            return tags[i];
        }
    }
    return '';
}

// reaches tells whether a tag or digest is the manifest searched for, or an index
// that has it, at any depth.
async function reaches(name, ref, digest, seen) {
    const reply = await ngx.fetch(inner + '/v2/' + name + '/manifests/' + ref,
        { headers: { Accept: manifestTypes }, max_response_body_size: 8388608 });
    if (reply.status === 404) {
        return false;
    }
    if (reply.status !== 200) {
        throw new Error('manifest ' + ref + ' of ' + name + ': ' + reply.status);
    }
    if (reply.headers.get('Docker-Content-Digest') === digest) {
        return true;
    }
    const manifest = await reply.json();
    const children = manifest.manifests || [];
    for (let i = 0; i < children.length; i++) {
        const child = children[i].digest;
        if (child === digest) {
            return true;
        }
        const index = /index|list/.test(children[i].mediaType || '');
        if (index && !seen[child]) {
            seen[child] = true;
            if (await reaches(name, child, digest, seen)) {
                return true;
            }
        }
    }
    return false;
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

// write stores a manifest, or deletes one or a blob. Nginx has read the body
// before it calls this, so a hold on writes is looked at when the registry would
// act, not when a slow client began; and the rights again, since a hold lasts.
async function write(r) {
    const asked = path.parse(r.variables.request_method, r.variables.request_uri);
    let lock = '';
    try {
        if (!await released()) {
            return reject(r, 503, 'UNAVAILABLE', heldText, 'held');
        }
        const may = memory.rightsOf(r.variables.front_user);
        if (!rights.allows(may || {}, asked.verb, asked.name, false)) {
            return reject(r, 403, 'DENIED', denial(r.variables.front_user, asked), 'right');
        }
        if (settings.immutable.length > 0 && rights.concerns(settings.immutable, asked.name)) {
            lock = await lockRepository(asked.name);
            if (lock === '') {
                return reject(r, 503, 'UNAVAILABLE', 'another write to ' + asked.name + ' does not end', 'unavailable');
            }
            const refusal = await immutableRefusal(r, asked);
            if (refusal !== '') {
                return reject(r, 403, 'DENIED', refusal, 'immutable');
            }
        }
        await forward(r, asked);
    } catch (e) {
        ngx.log(ngx.ERR, r.variables.request_method + ' ' + asked.name + ': ' + e.name + ' ' + e.message);
        reject(r, 503, 'UNAVAILABLE', 'the registry behind this proxy does not answer', 'unavailable');
    } finally {
        if (lock !== '' && ngx.shared.memory.get('repo ' + asked.name) === lock) {
            ngx.shared.memory.delete('repo ' + asked.name);
        }
    }
}

// lockRepository lets one write at a time look at a repository's protected tags
// and change it: two must not both find a tag free, nor one delete what the other
// puts under one. It returns what the lock holds, '' when it cannot be had.
async function lockRepository(name) {
    const mine = String(Date.now()) + ' ' + Math.random();
    const began = Date.now();
    while (!ngx.shared.memory.add('repo ' + name, mine, repoLock)) {
        if (Date.now() - began > lockWait) {
            return '';
        }
        await memory.sleep(holdEvery);
    }
    return mine;
}

// immutableRefusal says why a write would break an immutable tag, '' if not.
async function immutableRefusal(r, asked) {
    if (asked.verb === 'delete') {
        const tag = await protectedBy(asked);
        return tag === '' ? '' : 'tag ' + tag + ' of ' + asked.name + ' is immutable';
    }
    if (path.isDigest(asked.ref) || !rights.immutable(settings.immutable, asked.name, asked.ref)) {
        return '';
    }
    const digest = 'sha256:' + crypto.createHash('sha256').update(body(r)).digest('hex');
    const there = await current(asked.name, asked.ref);
    return there === '' || there === digest ? '' : 'tag ' + asked.ref + ' of ' + asked.name + ' is immutable and is ' + there;
}

// body is what was sent; an empty Buffer is an error to njs.
function body(r) {
    return r.requestBuffer && r.requestBuffer.length > 0 ? r.requestBuffer : '';
}

async function forward(r, asked) {
    const kind = asked.kind === 'manifest' ? 'manifests' : 'blobs';
    const options = { method: r.variables.request_method, headers: { Host: r.variables.door_host, 'X-Forwarded-For': r.variables.remote_addr } };
    if (asked.verb === 'push') {
        options.body = body(r);
        options.headers['Content-Type'] = r.headersIn['Content-Type'] || '';
    }
    const reply = await ngx.fetch(inner + '/v2/' + asked.name + '/' + kind + '/' + asked.ref, options);
    passedBack.forEach(function (h) {
        const value = reply.headers.get(h);
        if (value) {
            r.headersOut[h] = value;
        }
    });
    const text = await reply.text();
    r.return(reply.status, text);
}

// reject answers instead of the registry, and says so in the access log.
function reject(r, status, code, message, decision) {
    r.variables.front_decision = decision;
    if (status === 503) {
        r.headersOut['Retry-After'] = '10';
    }
    send(r, status, code, message);
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

export default { authorize, answer, write };
