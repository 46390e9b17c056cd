// The password memory. The registry's bcrypt is slow on purpose; here it is
// asked once for each credential, and the answer kept for a short while in
// memory that the workers share.
//
// What is kept is an HMAC of the header under a random key that never leaves
// that memory, bound to the version of the user file: any change of the file
// makes every answer before it worthless. Only yes is kept.
import fs from 'fs';
import crypto from 'crypto';

const keepFor = 300000;    // ms that a success is remembered
const flightFor = 30000;   // ms after which a check is given up
const joinEvery = 10;      // ms between looks at somebody else's check
const laneFor = 1000;      // ms between two checks of who failed too often
const laneWait = 8000;     // ms to wait for a place in that lane
const failuresFree = 10;   // failures a minute before the lane
const slots = 4;           // checks at one time
const slotWait = 10000;

function sleep(ms) {
    return new Promise(function (done) { setTimeout(done, ms); });
}

// version tells one state of a file from another without reading it: a change
// is a rename, so it has another inode, and pkg/durable makes it younger.
function version(path) {
    try {
        const st = fs.statSync(path);
        return st.mtimeMs + ':' + st.ino + ':' + st.size;
    } catch (e) {
        return 'none';
    }
}

// secret is the key of the HMACs: random, made by whichever worker comes first,
// in memory alone.
function secret() {
    const zone = ngx.shared.front;
    let key = zone.get('key');
    if (!key) {
        const random = new Uint8Array(32);
        globalThis.crypto.getRandomValues(random);
        zone.add('key', Buffer.from(random).toString('hex'));
        key = zone.get('key');
    }
    return key;
}

function parse(header) {
    const m = /^Basic +([A-Za-z0-9+\/]+=*) *$/i.exec(header);
    if (!m) {
        return null;
    }
    const text = Buffer.from(m[1], 'base64').toString();
    const colon = text.indexOf(':');
    const user = text.slice(0, colon);
    return colon < 1 || user.length > 64 || !/^[a-z0-9._-]+$/.test(user) ? null : { user: user };
}

// authenticate judges an Authorization header. It resolves to
//   { user, how }                      how: hit, joined, checked
//   { status: 401 | 429 | 503, user }  user as claimed, for the log
async function authenticate(header, address) {
    const began = Date.now();
    const claim = parse(header);
    if (!claim) {
        await settle(began);
        return { status: 401, user: '' };
    }
    const id = crypto.createHmac('sha256', secret()).update(version(settings.users) + '\0' + header).digest('base64');
    const memory = ngx.shared.memory;
    if (memory.get('ok ' + id) === claim.user) {
        return { user: claim.user, how: 'hit' };
    }
    if (!await brake(address, claim.user)) {
        return { status: 429, user: claim.user };
    }
    const flight = 'fly ' + id;
    while (!memory.add(flight, 'on', flightFor)) {
        await sleep(joinEvery);
        if (memory.get('ok ' + id) === claim.user) {
            return { user: claim.user, how: 'joined' };
        }
        if (memory.get(flight) === 'no') {
            await settle(began);
            return { status: 401, user: claim.user };
        }
        if (Date.now() - began > flightFor) {
            return { status: 503, user: claim.user };
        }
    }
    let verdict = 503;
    try {
        // Who waited for the flight before may find it landed.
        verdict = memory.get('ok ' + id) === claim.user ? 200 : await ask(header);
        if (verdict === 200) {
            memory.set('ok ' + id, claim.user, keepFor);
        }
    } finally {
        if (verdict === 401) {
            memory.set(flight, 'no', 20 * joinEvery); // for those who joined
        } else {
            memory.delete(flight);
        }
    }
    if (verdict === 200) {
        return { user: claim.user, how: 'checked' };
    }
    if (verdict === 401) {
        failed(address, claim.user);
        await settle(began);
    }
    return { status: verdict, user: claim.user };
}

// ask has the registry's own code compare the password, a few at a time.
async function ask(header) {
    const memory = ngx.shared.memory;
    const began = Date.now();
    for (;;) {
        for (let i = 0; i < slots; i++) {
            if (!memory.add('slot ' + i, 'on', flightFor)) {
                continue;
            }
            try {
                const reply = await ngx.fetch('http://127.0.0.1:8081/', { headers: { Authorization: header } });
                return reply.status === 200 || reply.status === 401 ? reply.status : 503;
            } catch (e) {
                ngx.log(ngx.ERR, 'password check: ' + e.message);
                return 503;
            } finally {
                memory.delete('slot ' + i);
            }
        }
        if (Date.now() - began > slotWait) {
            return 503;
        }
        await sleep(joinEvery);
    }
}

// settle makes every failure take the same time, whatever it came from: a whole
// number of floors since it began.
function settle(began) {
    const floor = settings.floor;
    const left = floor - (Date.now() - began) % floor;
    return sleep(left);
}

function minute() {
    return Math.floor(Date.now() / 60000);
}

function failed(address, user) {
    const counts = ngx.shared.failures;
    counts.incr('a ' + address + ' ' + minute(), 1, 0);
    counts.incr('u ' + user + ' ' + minute(), 1, 0);
}

function failures(key) {
    const counts = ngx.shared.failures;
    return (counts.get(key + ' ' + minute()) || 0) + (counts.get(key + ' ' + (minute() - 1)) || 0);
}

// brake lets who failed often check one password a second. It slows rather than
// locks: a user whose name somebody else abuses still gets in, and remembered
// passwords never come here.
async function brake(address, user) {
    const lanes = [];
    if (failures('a ' + address) > failuresFree) {
        lanes.push('lane a ' + address);
    }
    if (failures('u ' + user) > failuresFree) {
        lanes.push('lane u ' + user);
    }
    const began = Date.now();
    for (let i = 0; i < lanes.length; i++) {
        while (!ngx.shared.memory.add(lanes[i], 'on', laneFor)) {
            if (Date.now() - began > laneWait) {
                return false;
            }
            await sleep(5 * joinEvery);
        }
    }
    return true;
}

// rightsOf finds a user's rights. A file that cannot be read as rights changes
// nothing: the last good one goes on, and without one nobody has any.
function rightsOf(user) {
    const zone = ngx.shared.front;
    const now = version(settings.rights);
    const key = 'r ' + now + ' ' + user;
    let text = zone.get(key);
    if (text === undefined) {
        const users = load();
        // Not whatever an object has by itself: a user may be named constructor.
        text = JSON.stringify(Object.prototype.hasOwnProperty.call(users, user) ? users[user] : null);
        zone.set(key, text);
    }
    return JSON.parse(text);
}

function load() {
    const zone = ngx.shared.front;
    try {
        const text = fs.readFileSync(settings.rights, 'utf8');
        const users = check(JSON.parse(text));
        if (zone.get('good') !== text) {
            zone.set('good', text);
        }
        return users;
    } catch (e) {
        ngx.log(ngx.ERR, 'rights: ' + settings.rights + ': ' + e.message + '; the rights before it stay in force');
        const good = zone.get('good');
        return good ? check(JSON.parse(good)) : {};
    }
}

// check refuses what is not a whole and well-formed rights file: half of one
// must not be taken for rights.
function check(file) {
    if (!file || file.version !== 1 || typeof file.users !== 'object' || file.users === null || Array.isArray(file.users)) {
        throw new Error('not a rights file of version 1');
    }
    const names = Object.keys(file.users);
    for (let i = 0; i < names.length; i++) {
        const rights = file.users[names[i]];
        if (typeof rights !== 'object' || rights === null) {
            throw new Error('the rights of ' + names[i] + ' are no object');
        }
        ['pull', 'push', 'delete'].forEach(function (verb) {
            const list = rights[verb];
            if (list !== undefined && !(Array.isArray(list) && list.every(function (p) { return typeof p === 'string' && p !== ''; }))) {
                throw new Error(verb + ' of ' + names[i] + ' is no list of patterns');
            }
        });
        if (rights.admin !== undefined && typeof rights.admin !== 'boolean') {
            throw new Error('admin of ' + names[i] + ' is neither true nor false');
        }
        if (rights.expires !== undefined && !(Date.parse(rights.expires) > 0)) {
            throw new Error('expires of ' + names[i] + ' is no time');
        }
    }
    return file.users;
}

export default { authenticate, rightsOf, sleep };
