/* SPDX-License-Identifier: MIT */
/* The exceptions: one list with each class, its base and the reasons that
 * raise it. The names are PyJWT's where it has one. */
#include "errors.h"

/* Class, base (0: InvalidTokenError), what it means, up to four reasons. */
typedef struct error_class {
    const char *name; /* with the module that people import it from */
    const char *base; /* NULL: InvalidTokenError */
    const char *doc;
    hr_status reasons[4]; /* ended by OK */
} error_class;

#define CLASS(name, base, doc, ...)  \
    {                                \
        "headrace." name, base, doc, \
        {                            \
            __VA_ARGS__              \
        }                            \
    }

static const error_class CLASSES[] = {
    CLASS("DecodeError", NULL, "The token is not well-formed.", HR_MALFORMED,
          HR_BASE64, HR_HEADER, HR_PAYLOAD),
    CLASS("InvalidSignatureError", "headrace.DecodeError",
          "No key verifies the signature.", HR_SIGNATURE),
    CLASS("ExpiredSignatureError", NULL, "The time of `exp` has come.",
          HR_EXPIRED),
    CLASS("ImmatureSignatureError", NULL,
          "The time of `nbf` has not come yet.", HR_NOT_YET_VALID),
    CLASS("InvalidIssuedAtError", "headrace.ImmatureSignatureError",
          "The time of `iat` has not come yet.", HR_ISSUED_IN_FUTURE),
    CLASS("InvalidAudienceError", NULL, "The token is for somebody else.",
          HR_AUDIENCE),
    CLASS("InvalidIssuerError", NULL, "The token is of another issuer.",
          HR_ISSUER),
    CLASS("InvalidSubjectError", NULL,
          "`sub` is not a string, or not the expected one.", HR_SUBJECT),
    CLASS("InvalidJTIError", NULL, "`jti` is not a string.", HR_JTI),
    CLASS("InvalidAlgorithmError", NULL,
          "No key is meant for the token's algorithm.", HR_ALGORITHM),
    CLASS("MissingRequiredClaimError", NULL,
          "A claim that must be there is not; `claim` is its name.",
          HR_MISSING_CLAIM),
    CLASS("TokenTooLongError", NULL, "The token is over max_bytes.",
          HR_TOO_LONG),
    CLASS("CriticalHeaderError", NULL,
          "The header has `crit` or `b64`, and no extension is known.",
          HR_CRITICAL),
    CLASS("UnknownKeyIdError", NULL, "No key has the header's `kid`.",
          HR_KEY_ID),
    CLASS("TokenTypeError", NULL,
          "The header's `typ` is not the expected one.", HR_TYPE),
    CLASS("ClaimTypeError", "headrace.DecodeError",
          "A time is no number in range; `claim` is its name.", HR_CLAIM_TYPE),
    CLASS("UnexpectedValueError", NULL,
          "A claim does not have the expected value; `claim` is its name.",
          HR_UNEXPECTED_VALUE),
    CLASS("LifetimeError", NULL, "The token lives too long.", HR_LIFETIME),
    CLASS("EngineError", NULL,
          "The signature engine refuses what our rules would take.",
          HR_ENGINE),
};

static const char *
short_name(const char *name)
{
    return strrchr(name, '.') + 1;
}

/* Creates one exception and adds it to the module; a new reference. */
static PyObject *
add_exception(PyObject *module, const char *name, PyObject *base,
              const char *doc)
{
    PyObject *error = PyErr_NewExceptionWithDoc(name, doc, base, NULL);
    if (error != NULL &&
        PyModule_AddObjectRef(module, short_name(name), error) < 0) {
        Py_CLEAR(error);
    }
    return error;
}

static int
add_class(PyObject *module, core_state *state, const error_class *class)
{
    PyObject *base =
        class->base == NULL
            ? Py_NewRef(state->invalid_token_error)
            : PyObject_GetAttrString(module, short_name(class->base));
    if (base == NULL) {
        return -1;
    }
    PyObject *error = add_exception(module, class->name, base, class->doc);
    Py_DECREF(base);
    if (error == NULL) {
        return -1;
    }
    for (size_t i = 0; i < 4 && class->reasons[i] != HR_OK; i++) {
        state->by_reason[class->reasons[i]] = Py_NewRef(error);
    }
    Py_DECREF(error);
    return 0;
}

int
errors_setup(PyObject *module)
{
    core_state *state = state_of_module(module);
    state->invalid_token_error =
        add_exception(module, "headrace.InvalidTokenError", PyExc_Exception,
                      "A token is refused; `reason` is the stable word why.");
    state->invalid_key_error =
        add_exception(module, "headrace.InvalidKeyError", PyExc_ValueError,
                      "A key cannot be used; `reason` is the word why.");
    if (state->invalid_token_error == NULL ||
        state->invalid_key_error == NULL) {
        return -1;
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(CLASSES); i++) {
        if (add_class(module, state, &CLASSES[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Sets `error` with `message` (whose reference it takes over) and `reason`;
 * with `claim`, unless NULL, as attributes. */
static void
set_with_reason(core_state *state, PyObject *error, PyObject *message_steal,
                hr_status reason, PyObject *claim)
{
    if (message_steal == NULL) {
        return;
    }
    PyObject *instance = PyObject_CallOneArg(error, message_steal);
    Py_DECREF(message_steal);
    if (instance == NULL) {
        return;
    }
    if (PyObject_SetAttrString(instance, "reason", state->words[reason]) ==
            0 &&
        (claim == NULL ||
         PyObject_SetAttrString(instance, "claim", claim) == 0)) {
        PyErr_SetObject(error, instance);
    }
    Py_DECREF(instance);
}

PyObject *
raise_claim_error(core_state *state, hr_status reason, hr_span claim)
{
    PyObject *error = state->by_reason[reason];
    PyObject *name = NULL;
    if (reason == HR_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (error == NULL) {
        return PyErr_Format(PyExc_RuntimeError, "headrace: %s",
                            hr_status_text(reason));
    }
    bool has_name = reason == HR_MISSING_CLAIM || reason == HR_CLAIM_TYPE ||
                    reason == HR_UNEXPECTED_VALUE;
    if (has_name && claim.ptr != NULL) {
        name = PyUnicode_DecodeUTF8(claim.ptr, (Py_ssize_t)claim.len, NULL);
        if (name == NULL) {
            return NULL;
        }
    }
    PyObject *message =
        name == NULL
            ? PyUnicode_FromString(hr_status_text(reason))
            : PyUnicode_FromFormat("%s: %U", hr_status_text(reason), name);
    set_with_reason(state, error, message, reason, name);
    Py_XDECREF(name);
    return NULL;
}

PyObject *
raise_key_error(core_state *state, hr_status reason, const char *what)
{
    if (reason == HR_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    set_with_reason(
        state, state->invalid_key_error,
        PyUnicode_FromFormat("%s: %s", what, hr_status_text(reason)), reason,
        NULL);
    return NULL;
}

PyObject *
raise_setting_error(core_state *state, hr_status status, const char *setting,
                    const char *why)
{
    (void)state;
    if (status == HR_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (status == HR_SYSTEM) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    const char *text = why != NULL ? why : hr_status_text(status);
    return setting == NULL
               ? PyErr_Format(PyExc_ValueError, "%s", text)
               : PyErr_Format(PyExc_ValueError, "%s: %s", setting, text);
}
