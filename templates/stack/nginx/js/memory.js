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
const laneFor = 1000;      // ms between two checks in one lane
const laneWait = 8000;     // ms to wait for a turn in it
const laneQueue = 4;       // who waits in one lane at most
const failuresFree = 10;   // failures a minute before the lane
const knownFor = 3600000;  // ms that who was right once need not go into a lane
const slots = 4;           // checks at one time
const slotWait = 10000;
const longestHeader = 4096;

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

// parse reads a header. No right one is long: 64 characters of a name, 72 bytes
// of a password; the service that checks would answer to a long one with an error.
function parse(header) {
    const m = header.length <= longestHeader && /^Basic +([A-Za-z0-9+\/]+=*) *$/i.exec(header);
    if (!m) {
        return null;
    }
    const text = Buffer.from(m[1], 'base64').toString();
    const colon = text.indexOf(':');
    const user = text.slice(0, colon);
    // In this engine $ matches before a last line break too.
    const good = colon > 0 && user.length <= 64 && /^[a-z0-9._-]+$/.test(user) && user.indexOf('\n') < 0;
    return good ? { user: user } : null;
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
    // Who was right under this very user file has to be checked again, but is not
    // kept waiting by others who try names and passwords.
    if (!memory.get('known ' + id) && !await brake(network(address), claim.user)) {
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
            memory.set('known ' + id, 'yes', knownFor);
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
        failed(network(address), claim.user);
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
                const asked = Date.now();
                const reply = await ngx.fetch('http://127.0.0.1:8081/', { headers: { Authorization: header } });
                // A user that does not exist costs the registry nothing: without
                // this many wrong guesses at once would end sooner than for one
                // that does, however each of them is settled.
                if (reply.status === 401) {
                    await sleep(Math.max(0, settings.floor / 2 - (Date.now() - asked)));
                }
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

// network is what counts as one address: an IPv6 host has 2^64 of them.
function network(address) {
    if (address.indexOf(':') < 0) {
        return address;
    }
    const halves = address.split('::');
    let groups = halves[0] === '' ? [] : halves[0].split(':');
    if (halves.length === 2) {
        const tail = halves[1] === '' ? [] : halves[1].split(':');
        while (groups.length + tail.length < 8) {
            groups.push('0');
        }
        groups = groups.concat(tail);
    }
    return groups.slice(0, 4).join(':') + '::/64';
}

// brake slows who failed often: of one address with one user name, one password
// a second is checked, and few may wait for that. When a name is tried from
// everywhere, the name has a lane of its own; then a new login by that name, also
// a good one, may have to be tried again.
async function brake(address, user) {
    const lanes = [];
    if (failures('a ' + address) > failuresFree || failures('u ' + user) > failuresFree) {
        lanes.push('lane ' + address + ' ' + user);
    }
    if (failures('u ' + user) > 10 * failuresFree) {
        lanes.push('lane ' + user);
    }
    const began = Date.now();
    for (let i = 0; i < lanes.length; i++) {
        const queue = 'queue ' + lanes[i];
        if (ngx.shared.failures.incr(queue, 1, 0) > laneQueue) {
            ngx.shared.failures.incr(queue, -1, 0);
            return false;
        }
        try {
            while (!ngx.shared.memory.add(lanes[i], 'on', laneFor)) {
                if (Date.now() - began > laneWait) {
                    return false;
                }
                await sleep(5 * joinEvery);
            }
        } finally {
            ngx.shared.failures.incr(queue, -1, 0);
        }
    }
    return true;
}

// rightsOf finds a user's rights. A file that cannot be read as rights changes
// nothing: the last good one goes on, and without one nobody has any.
function rightsOf(user) {
    const cache = ngx.shared.rights;
    const now = version(settings.rights);
    const key = 'r ' + now + ' ' + user;
    // A file that is gone has no version that tells this time from the last.
    const text = now === 'none' ? undefined : cache.get(key);
    if (text !== undefined) {
        return JSON.parse(text);
    }
    const users = load(now);
    // Not whatever an object has by itself: a user may be named constructor.
    const rights = Object.prototype.hasOwnProperty.call(users, user) ? users[user] : null;
    keep(cache, key, JSON.stringify(rights));
    return rights;
}

// keep stores what can also be done without: a full zone fails no request.
function keep(zone, key, value) {
    try {
        zone.set(key, value);
    } catch (e) {
        ngx.log(ngx.WARN, 'not kept in memory: ' + e.name + ' ' + e.message);
    }
}

function load(now) {
    const zone = ngx.shared.front;
    let text, users;
    try {
        text = fs.readFileSync(settings.rights, 'utf8');
        users = check(whole(text));
    } catch (e) {
        if (zone.get('told') !== now) { // once, not for each request
            keep(zone, 'told', now);
            ngx.log(ngx.ERR, 'rights: ' + settings.rights + ': ' + e.name + ' ' + e.message + '; the rights before it stay in force');
        }
        const good = zone.get('good');
        return good ? check(JSON.parse(good)) : {};
    }
    if (zone.get('good') !== text) {
        keep(zone, 'good', text);
    }
    return users;
}

// whole parses JSON in which no name is there twice, of which JSON.parse would
// take the last in silence. Where nothing is escaped, a rights file has no blank
// in a string, and what was dropped shows by the length.
function whole(text) {
    const file = JSON.parse(text);
    if (text.indexOf('\\') < 0 && JSON.stringify(file).length !== text.replace(/\s+/g, '').length) {
        throw new Error('a name is there twice, or has a blank in it');
    }
    return file;
}

function isObject(v) {
    return typeof v === 'object' && v !== null && !Array.isArray(v);
}

// isPattern holds to what pkg/users lets into the file.
function isPattern(p) {
    return typeof p === 'string' && p.length <= 255 && p.split('/').every(function (part) {
        return part === '**' || /^[a-z0-9._*-]+$/.test(part) && part.indexOf('**') < 0;
    });
}

// check refuses what is not a whole and well-formed rights file: half of one
// must not be taken for rights. What regctl takes passes (pkg/users).
function check(file) {
    if (!isObject(file) || file.version !== 1 || !isObject(file.users) || Object.keys(file).length !== 2) {
        throw new Error('not a rights file of version 1');
    }
    const names = Object.keys(file.users);
    for (let i = 0; i < names.length; i++) {
        const rights = file.users[names[i]];
        if (!/^[a-z0-9._-]+$/.test(names[i]) || !isObject(rights)) {
            throw new Error('the rights of ' + names[i] + ' are no object, or it is no user');
        }
        Object.keys(rights).forEach(function (key) {
            const value = rights[key];
            if (key === 'pull' || key === 'push' || key === 'delete') {
                if (!Array.isArray(value) || !value.every(isPattern)) {
                    throw new Error(key + ' of ' + names[i] + ' is no list of patterns');
                }
            } else if (key === 'admin') {
                if (typeof value !== 'boolean') {
                    throw new Error('admin of ' + names[i] + ' is neither true nor false');
                }
            } else if (key !== 'expires') {
                throw new Error('there is no right ' + key + ', which ' + names[i] + ' has');
            } else if (!/^\d{4}(-\d\d){2}T\d\d(:\d\d){2}Z$/.test(value) || !(Date.parse(value) > 0)) {
                throw new Error('expires of ' + names[i] + ' is no time');
            }
        });
    }
    return file.users;
}

export default { authenticate, rightsOf, sleep };
