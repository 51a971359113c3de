# SPDX-License-Identifier: MIT
"""What ``python -m headrace.jwt`` prints: the engines, and what each costs by algorithm.

The keys were made for this table and thrown away; only their public halves, and one token of
each, are left.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from headrace import InvalidKeyError, Key, TokenVerifier

ROUNDS = 5
ROUND_SECONDS = 0.02

# By algorithm: a JWK (of a secret, where it is one), and a token.
TEXT = """
HS256
{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4O
WFiY2RlZg","alg":"HS256"} eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2Vu
X3R5cGUiOiJhY2Nlc3MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJ
hIiwidXNlcl9pZCI6IjQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.nioHZiE0JZ_VfkS
uWInnzMzuqUG1nmpJZL0nvVe2CLs

HS384
{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4O
WFiY2RlZg","alg":"HS384"} eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2Vu
X3R5cGUiOiJhY2Nlc3MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJ
hIiwidXNlcl9pZCI6IjQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.UundRC2H1otTOje
xW47W82dPRztHGE4USH99a48ClXd-NLFqJ7eN88NS1pqh5RHd

HS512
{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4O
WFiY2RlZg","alg":"HS512"} eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2Vu
X3R5cGUiOiJhY2Nlc3MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJ
hIiwidXNlcl9pZCI6IjQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.VlHbJdtRojINgju
11I_myjSc4dVb1YAa9qa0s9pZBTrDRnRYWzjDQWQQG3urNuJjD2rD1WGZGdDjqAyANivKbA

RS256
{"kty":"RSA","n":"q5owulKuWnKkulPds-pm8XqxUkYlUFPQuDu7xmdMza9iDRSJHjIlN4EnBOx8TfHPpoz4dvvjg_8mD
izfw5rXIH_ldJ-6U2f2vWctrteVNS35QWNbbI0bOPfNYYbD8Dkv80iNdsAMOy8quXn5xhk1MB2facEIwl2i1biy03NuQgSE
sRXBbOVxSuiOMyaqut-68mPVgQJOyE2wJxawRpH5LfGzt4B3J6J1_qE775jrnwBMRpqt0tVLiy1Cg56blJOGTJF4YdpghDq
vcMdr-HK2RF_Rd-Dw8kNZERC477Cs31dlrwg08O0lTmqR01zcCL5a6zhUIwx8UShZ4U3dWnqDxw","e":"AQAB","alg":"
RS256"} eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3
MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6I
jQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.d5emqr29Iv-uUUEnczQ61B5Mgj6p9iJX6
pBm3BJ3gJz4_dvVg4lLPNaESRGWcN2HSUKxzDvgZrc3cpG0uIZyBgH0bgh3RdH3z-ETz-5Itfx8p1b1nFcCTa_fPXmbd7IU
eY-Jtzu4CuHO-IkuZtEOhpu1hwAGnVamdlp6nnGZA2BmBdMxGkv1lPQ5qG9_Du2ZGiMBIC21EVau3DVghbRg_DRxTpRS6hd
oxKjCUHcWSvGADxLC7_CxZoapa_jyc0yNSNf-ILXtclbOmhj-7xm3yyhopqxoMAZD8aT3U9RJgJMnQUAdif8MU0gYs8f5XV
MK1u8atzP4dHhiK38LCOumRA

RS384
{"kty":"RSA","n":"q5owulKuWnKkulPds-pm8XqxUkYlUFPQuDu7xmdMza9iDRSJHjIlN4EnBOx8TfHPpoz4dvvjg_8mD
izfw5rXIH_ldJ-6U2f2vWctrteVNS35QWNbbI0bOPfNYYbD8Dkv80iNdsAMOy8quXn5xhk1MB2facEIwl2i1biy03NuQgSE
sRXBbOVxSuiOMyaqut-68mPVgQJOyE2wJxawRpH5LfGzt4B3J6J1_qE775jrnwBMRpqt0tVLiy1Cg56blJOGTJF4YdpghDq
vcMdr-HK2RF_Rd-Dw8kNZERC477Cs31dlrwg08O0lTmqR01zcCL5a6zhUIwx8UShZ4U3dWnqDxw","e":"AQAB","alg":"
RS384"} eyJhbGciOiJSUzM4NCIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3
MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6I
jQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.helL_Xv1B0NUNl1a5hFt3J99e8zuy5sWc
fzd9ixT1UnWwWWdY8vyW8gjayKY9Q9PYKKhIT1dTStEvs1z0NOL6gYwLkBFrgKzvCiuXuH2EN5CG8ZMt60FA9NR2ACyYNyR
SzqQ2YltXA03Zrs7kF3EC2tk95a6VVlCyC7mp-_VOuevdUh1kC-yz_6tYEBqNfsk5GROyb6CgE0pPD92d7oFxx_vNUfR48h
LI0J71W4kHLuUtksGCaNAv3l_5jcYrnLUsz4ZESLZbWDNEjlIB5NFz5X8GrYPLwsXjYp_wNU4S1_wMGj0Wxnb7f17iWmm95
3jTgu5GZVZkT9z6S6AUVBj4w

RS512
{"kty":"RSA","n":"q5owulKuWnKkulPds-pm8XqxUkYlUFPQuDu7xmdMza9iDRSJHjIlN4EnBOx8TfHPpoz4dvvjg_8mD
izfw5rXIH_ldJ-6U2f2vWctrteVNS35QWNbbI0bOPfNYYbD8Dkv80iNdsAMOy8quXn5xhk1MB2facEIwl2i1biy03NuQgSE
sRXBbOVxSuiOMyaqut-68mPVgQJOyE2wJxawRpH5LfGzt4B3J6J1_qE775jrnwBMRpqt0tVLiy1Cg56blJOGTJF4YdpghDq
vcMdr-HK2RF_Rd-Dw8kNZERC477Cs31dlrwg08O0lTmqR01zcCL5a6zhUIwx8UShZ4U3dWnqDxw","e":"AQAB","alg":"
RS512"} eyJhbGciOiJSUzUxMiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3
MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6I
jQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.iP4wytoTZMN7FCeGJ3Jl5RyOEjIJbFnMO
I7v_os4DggHeGksItbqiSTaA2Jzig1M74hyxhEwPJtBXqYvnfLUj80uTgjsatRc7G7FlwJ2ohzJzZCOsl__E-v9q1K2895q
jKj4fyD4bQuPHoI_o1v4q0E3k-CAoY8hYOVmiAxcf3cO96dzq6lCZLv-JTz7wyNq0PlCu4fXVLb5A16enyLdZVXVGCUxoeP
20w8evPBU72kMxoCDg-_JA0g9SDR9yCLrCj_eXui_E6PPKrMmS-45vIRDvCgX0wG6kfATT5Mx-Ag_khUXIGL6KcvQpIXyDR
fly3nLm1slQgoFderd2mZqyg

PS256
{"kty":"RSA","n":"q5owulKuWnKkulPds-pm8XqxUkYlUFPQuDu7xmdMza9iDRSJHjIlN4EnBOx8TfHPpoz4dvvjg_8mD
izfw5rXIH_ldJ-6U2f2vWctrteVNS35QWNbbI0bOPfNYYbD8Dkv80iNdsAMOy8quXn5xhk1MB2facEIwl2i1biy03NuQgSE
sRXBbOVxSuiOMyaqut-68mPVgQJOyE2wJxawRpH5LfGzt4B3J6J1_qE775jrnwBMRpqt0tVLiy1Cg56blJOGTJF4YdpghDq
vcMdr-HK2RF_Rd-Dw8kNZERC477Cs31dlrwg08O0lTmqR01zcCL5a6zhUIwx8UShZ4U3dWnqDxw","e":"AQAB","alg":"
PS256"} eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3
MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6I
jQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.pTztNTkTvJno8krgqxKuBAhqnEek2KUIo
ECxkzEuv-spVgo8b7-msgn_g1oGiNp72Sdpe2BwjCAsfc_9__rMrvh52EaXSbSZlEflfWA_QJEoIDfC3qPd7vfUrgKYbGqL
2ITMeIhJeHKlbl-nXopIzdhn7Pnr7oGsEBIFs8Kc_DwEqrO8IlG-MyPVG7EO3Wt4UR7AIfSeKo6jCXmjlB9vb2hsyq8JRAG
qF_lsMzmk19qEH2e3FdDOU9_AbNHWxyVexAU3BWOcq-bGo31IIiPB7qG4174okRIWLjbsr5HmY28iDHvff0p3QX3eSLLSdF
-rIeGnkMk7CSfqRbfj_zU1hA

PS384
{"kty":"RSA","n":"q5owulKuWnKkulPds-pm8XqxUkYlUFPQuDu7xmdMza9iDRSJHjIlN4EnBOx8TfHPpoz4dvvjg_8mD
izfw5rXIH_ldJ-6U2f2vWctrteVNS35QWNbbI0bOPfNYYbD8Dkv80iNdsAMOy8quXn5xhk1MB2facEIwl2i1biy03NuQgSE
sRXBbOVxSuiOMyaqut-68mPVgQJOyE2wJxawRpH5LfGzt4B3J6J1_qE775jrnwBMRpqt0tVLiy1Cg56blJOGTJF4YdpghDq
vcMdr-HK2RF_Rd-Dw8kNZERC477Cs31dlrwg08O0lTmqR01zcCL5a6zhUIwx8UShZ4U3dWnqDxw","e":"AQAB","alg":"
PS384"} eyJhbGciOiJQUzM4NCIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3
MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6I
jQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.U2E3xHtd1mypoN-X3dXNNY57o9Ubp1pfc
lxWJR6wbehLYIVHJ7O6yeUWnGf8R_qe0xZ0qkywyPTHSC1OxZBS5x28tXW9ImM_CaYEP0NHI2qmdSENVKinx-ABP4uj8uNm
Q2I5qnbxdyNnqVr4ePIHJPm4rsvCfMF7qFIS3FznVKLg04ANisQ48fPJXJ9LSZF3dcijyBkYtSlnjH_elNtOjuLIyDRVB_l
Vj-iTFnDbIpdnEb7GjNuNYWrLBpMZAClZDyk6sNzCTik7MKn7IzoA_iisENqumy24zePVpJjIwnpLMxKyQ950qxRMFp6j_A
ang9m5-t6wpyR51ljS_3x9NA

PS512
{"kty":"RSA","n":"q5owulKuWnKkulPds-pm8XqxUkYlUFPQuDu7xmdMza9iDRSJHjIlN4EnBOx8TfHPpoz4dvvjg_8mD
izfw5rXIH_ldJ-6U2f2vWctrteVNS35QWNbbI0bOPfNYYbD8Dkv80iNdsAMOy8quXn5xhk1MB2facEIwl2i1biy03NuQgSE
sRXBbOVxSuiOMyaqut-68mPVgQJOyE2wJxawRpH5LfGzt4B3J6J1_qE775jrnwBMRpqt0tVLiy1Cg56blJOGTJF4YdpghDq
vcMdr-HK2RF_Rd-Dw8kNZERC477Cs31dlrwg08O0lTmqR01zcCL5a6zhUIwx8UShZ4U3dWnqDxw","e":"AQAB","alg":"
PS512"} eyJhbGciOiJQUzUxMiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3
MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6I
jQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.AhFJgecolv5BBlkgItd3d9CRP6IQiCorL
EH0YcUYiExKB-foKQNMnor7Jwb2XSiQ9dI-G3Rx5i2y-0Vw31n8GX14gxv3kZv2iH0U7PInmjerZB4pG-uTkscZFF3J8cXc
smm3aUsJ5EdK8b-1kpC1alNYllf8Ggo8QqEqymSIbtrwJ26gXp_5FLSLx1EhFFFs4GzUvUZ-sqAsBogBnBU9rP5dj2oa4J7
MzUvGOdTSRy6W2dliFSKjL3aQGvFEfUAchcv6j88JVW0cfiNTRMJCfp15W3PINS2Ir3Sh4Hq_eecfTkJlUVQ5V_oYwUrXyu
nv16VjmGn6WbJWASNCRTbkgA

ES256
{"kty":"EC","crv":"P-256","x":"rJ8XAv68n0ymiUR_jBIFDsmEAvOfy_oVwNhnhibzxBw","y":"RDa2xeAZl5tFYY
CZXtOiAPgBpuqcZ-5xJIJCEV27gIs","alg":"ES256"} eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQx
MDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ
4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6IjQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm
8ifQ.-OjCzOxO7iKqQnKKyn3AYkH9eq05WKKvJPiEoo86DmWXhGxRFcu_-hPS0iGEXBe_uTLbeSjM0QORKdBzx5M36g

ES384
{"kty":"EC","crv":"P-384","x":"02ULzEk94ZZYPPxYlXeWDIhqUPpR2SAOzWgPTc3X2CtVH1QIKTlauc36Ivq0xfTv
","y":"bQPXEGWXlssOgSnnF5E2VmHJukRFhNL-IyFkmAouSEYVGZxq555EKfLJC6JI6OCU","alg":"ES384"} eyJhbGc
iOiJFUzM4NCIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3MiLCJpYXQiOjE3M
DAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6IjQyIiwiaXNzIjoi
aHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.fL8sQikromWushFB0lS9lmoDWeCn-5caR3TLBasqlqfGIUNt
A6Gu7XraAj6i9DUWwSZuOwF4IpWkTsLKgVS069oXQCA5TVY8ZfmOqNohYybjgFkoWR-ZLvGy9y1B0J0R

ES512
{"kty":"EC","crv":"P-521","x":"Aax0ihp2vMYeRdRUK-yO6eMfoX_aqcOtljuV2PDpofFpfZGrnLzSzG03W9HOskyL
OqQrI2k6lZKKOes_pcWa3IF3","y":"AcMtxqTG6CT2aA7eqy3a8nUdJQosGM0LQBpilHt-v8wgYMPdMBiHkUJJdf7Y0hSL
z0ObxwdUJyAVLoI9NZWSXWaG","alg":"ES512"} eyJhbGciOiJFUzUxMiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0N
DQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3MiLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdm
MmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6IjQyIiwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.
Aby2_Q-oIV3OXk1to9j9xaDDTwTLBmJelqTyNEm7Hds4_y25w3WiX234MZbmihyPLPKwbvnV-_Pad03dq8h-Q62LADFFpQC
T-1HPEwgVLTVyz_Pe_8bvd45LgkytCYGwWYyh1eRON0LhVQRYGn-HHj5QDlJP2MrZo8mFiazoNGsH_Cc4

EdDSA
{"kty":"OKP","crv":"Ed25519","x":"UP75ETG00elhrnmDl3K30CxTCT8MDt4ZJqK-zYEb32I","alg":"EdDSA"} e
yJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJhY2Nlc3MiLCJpYXQ
iOjE3MDAwMDAwMDAsImp0aSI6ImI1ZjFjNWExYzdiOTRjMGQ4YTdmMmYwZTlkM2M0YjJhIiwidXNlcl9pZCI6IjQyIiwiaX
NzIjoiaHR0cHM6Ly9leGFtcGxlLm9yZy8iLCJuYW1lIjoiSm8ifQ.I2sHIWYt2zKHFpev7Uwj3SxXsAsyCMtgoGqzrWGJgt
r0e-KLdLdF66mCiRjLiljMemgx7Ic9We_PyFRolKEnDw
"""


def read_samples() -> dict[str, tuple[str, str]]:
    """By algorithm: JWK and token."""
    samples = {}
    for block in TEXT.strip().split("\n\n"):
        name, *lines = block.splitlines()
        document, _, token = "".join(lines).partition(" ")
        samples[name] = (document, token)
    return samples


SAMPLES = read_samples()


def nanoseconds(call: Callable[[], object]) -> float:
    """The time of one call: the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        count = 0
        start = time.perf_counter()
        while (passed := time.perf_counter() - start) < ROUND_SECONDS:
            for _ in range(20):
                call()
            count += 20
        best = min(best, passed / count)
    return best * 1e9


def cost(algorithm: str, engine: str, cache_size: int) -> float | None:
    """Nanoseconds of one verification; None where the engine does not have the algorithm."""
    document, token = SAMPLES[algorithm]
    try:
        verifier = TokenVerifier([Key.jwk(document)], engine=engine, cache_size=cache_size)
    except InvalidKeyError:
        return None
    return nanoseconds(lambda: verifier.verify(token))


def say(line: str) -> None:
    """Write one line."""
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Print the table."""
    engines = TokenVerifier._engines()
    for name, version in engines.items():
        say(f"engine {name}: {version}")
    say(f"python {sys.version.split()[0]}; microseconds to verify one token of 330-850 bytes\n")
    say("algorithm" + "".join(f"{name:>10}" for name in engines) + "    cached")
    for algorithm in SAMPLES:
        cells = [cost(algorithm, name, 0) for name in engines]
        cells.append(cost(algorithm, "openssl", 16))
        say(
            f"{algorithm:9}"
            + "".join(f"{'-':>10}" if ns is None else f"{ns / 1000:10.2f}" for ns in cells)
        )
