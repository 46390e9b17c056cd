// Ends kept connections before a reload.
//
// A worker that is told to end closes the connections on which it awaits a
// request. One that arrives at that very moment is lost, and a client cannot send
// a PUT or POST again by itself. So for a moment before a reload every answer says
// that its connection ends; `regctl up` puts a file there and takes it away.
import fs from 'fs';

// header is the value of the Connection header to add, '' for none. An old file
// was left by a reload that was cut off.
function header() {
    try {
        const age = Date.now() - fs.statSync(settings.closing).mtimeMs;
        return age < settings.closingAge ? 'close' : '';
    } catch (e) {
        return '';
    }
}

export default { header };
