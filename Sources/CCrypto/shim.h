// OpenSSL's libcrypto: the EVP message digests.
#pragma once
#include <openssl/evp.h>
