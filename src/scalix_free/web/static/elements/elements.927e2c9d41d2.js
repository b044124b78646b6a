"use strict";(()=>{/**
 * @license
 * Copyright 2019 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var B=globalThis,F=B.ShadowRoot&&(B.ShadyCSS===void 0||B.ShadyCSS.nativeShadow)&&"adoptedStyleSheets"in Document.prototype&&"replace"in CSSStyleSheet.prototype,tt=Symbol(),xt=new WeakMap,C=class{constructor(t,e,s){if(this._$cssResult$=!0,s!==tt)throw Error("CSSResult is not constructable. Use `unsafeCSS` or `css` instead.");this.cssText=t,this.t=e}get styleSheet(){let t=this.o,e=this.t;if(F&&t===void 0){let s=e!==void 0&&e.length===1;s&&(t=xt.get(e)),t===void 0&&((this.o=t=new CSSStyleSheet).replaceSync(this.cssText),s&&xt.set(e,t))}return t}toString(){return this.cssText}},At=r=>new C(typeof r=="string"?r:r+"",void 0,tt),y=(r,...t)=>{let e=r.length===1?r[0]:t.reduce((s,i,n)=>s+(o=>{if(o._$cssResult$===!0)return o.cssText;if(typeof o=="number")return o;throw Error("Value passed to 'css' function must be a 'css' function result: "+o+". Use 'unsafeCSS' to pass non-literal values, but take care to ensure page security.")})(i)+r[n+1],r[0]);return new C(e,r,tt)},St=(r,t)=>{if(F)r.adoptedStyleSheets=t.map(e=>e instanceof CSSStyleSheet?e:e.styleSheet);else for(let e of t){let s=document.createElement("style"),i=B.litNonce;i!==void 0&&s.setAttribute("nonce",i),s.textContent=e.cssText,r.appendChild(s)}},et=F?r=>r:r=>r instanceof CSSStyleSheet?(t=>{let e="";for(let s of t.cssRules)e+=s.cssText;return At(e)})(r):r;/**
 * @license
 * Copyright 2017 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var{is:re,defineProperty:se,getOwnPropertyDescriptor:ie,getOwnPropertyNames:ne,getOwnPropertySymbols:oe,getPrototypeOf:ae}=Object,V=globalThis,Et=V.trustedTypes,le=Et?Et.emptyScript:"",de=V.reactiveElementPolyfillSupport,M=(r,t)=>r,rt={toAttribute(r,t){switch(t){case Boolean:r=r?le:null;break;case Object:case Array:r=r==null?r:JSON.stringify(r)}return r},fromAttribute(r,t){let e=r;switch(t){case Boolean:e=r!==null;break;case Number:e=r===null?null:Number(r);break;case Object:case Array:try{e=JSON.parse(r)}catch{e=null}}return e}},kt=(r,t)=>!re(r,t),wt={attribute:!0,type:String,converter:rt,reflect:!1,useDefault:!1,hasChanged:kt};Symbol.metadata??=Symbol("metadata"),V.litPropertyMetadata??=new WeakMap;var g=class extends HTMLElement{static addInitializer(t){this._$Ei(),(this.l??=[]).push(t)}static get observedAttributes(){return this.finalize(),this._$Eh&&[...this._$Eh.keys()]}static createProperty(t,e=wt){if(e.state&&(e.attribute=!1),this._$Ei(),this.prototype.hasOwnProperty(t)&&((e=Object.create(e)).wrapped=!0),this.elementProperties.set(t,e),!e.noAccessor){let s=Symbol(),i=this.getPropertyDescriptor(t,s,e);i!==void 0&&se(this.prototype,t,i)}}static getPropertyDescriptor(t,e,s){let{get:i,set:n}=ie(this.prototype,t)??{get(){return this[e]},set(o){this[e]=o}};return{get:i,set(o){let u=i?.call(this);n?.call(this,o),this.requestUpdate(t,u,s)},configurable:!0,enumerable:!0}}static getPropertyOptions(t){return this.elementProperties.get(t)??wt}static _$Ei(){if(this.hasOwnProperty(M("elementProperties")))return;let t=ae(this);t.finalize(),t.l!==void 0&&(this.l=[...t.l]),this.elementProperties=new Map(t.elementProperties)}static finalize(){if(this.hasOwnProperty(M("finalized")))return;if(this.finalized=!0,this._$Ei(),this.hasOwnProperty(M("properties"))){let e=this.properties,s=[...ne(e),...oe(e)];for(let i of s)this.createProperty(i,e[i])}let t=this[Symbol.metadata];if(t!==null){let e=litPropertyMetadata.get(t);if(e!==void 0)for(let[s,i]of e)this.elementProperties.set(s,i)}this._$Eh=new Map;for(let[e,s]of this.elementProperties){let i=this._$Eu(e,s);i!==void 0&&this._$Eh.set(i,e)}this.elementStyles=this.finalizeStyles(this.styles)}static finalizeStyles(t){let e=[];if(Array.isArray(t)){let s=new Set(t.flat(1/0).reverse());for(let i of s)e.unshift(et(i))}else t!==void 0&&e.push(et(t));return e}static _$Eu(t,e){let s=e.attribute;return s===!1?void 0:typeof s=="string"?s:typeof t=="string"?t.toLowerCase():void 0}constructor(){super(),this._$Ep=void 0,this.isUpdatePending=!1,this.hasUpdated=!1,this._$Em=null,this._$Ev()}_$Ev(){this._$ES=new Promise(t=>this.enableUpdating=t),this._$AL=new Map,this._$E_(),this.requestUpdate(),this.constructor.l?.forEach(t=>t(this))}addController(t){(this._$EO??=new Set).add(t),this.renderRoot!==void 0&&this.isConnected&&t.hostConnected?.()}removeController(t){this._$EO?.delete(t)}_$E_(){let t=new Map,e=this.constructor.elementProperties;for(let s of e.keys())this.hasOwnProperty(s)&&(t.set(s,this[s]),delete this[s]);t.size>0&&(this._$Ep=t)}createRenderRoot(){let t=this.shadowRoot??this.attachShadow(this.constructor.shadowRootOptions);return St(t,this.constructor.elementStyles),t}connectedCallback(){this.renderRoot??=this.createRenderRoot(),this.enableUpdating(!0),this._$EO?.forEach(t=>t.hostConnected?.())}enableUpdating(t){}disconnectedCallback(){this._$EO?.forEach(t=>t.hostDisconnected?.())}attributeChangedCallback(t,e,s){this._$AK(t,s)}_$ET(t,e){let s=this.constructor.elementProperties.get(t),i=this.constructor._$Eu(t,s);if(i!==void 0&&s.reflect===!0){let n=(s.converter?.toAttribute!==void 0?s.converter:rt).toAttribute(e,s.type);this._$Em=t,n==null?this.removeAttribute(i):this.setAttribute(i,n),this._$Em=null}}_$AK(t,e){let s=this.constructor,i=s._$Eh.get(t);if(i!==void 0&&this._$Em!==i){let n=s.getPropertyOptions(i),o=typeof n.converter=="function"?{fromAttribute:n.converter}:n.converter?.fromAttribute!==void 0?n.converter:rt;this._$Em=i;let u=o.fromAttribute(e,n.type);this[i]=u??this._$Ej?.get(i)??u,this._$Em=null}}requestUpdate(t,e,s,i=!1,n){if(t!==void 0){let o=this.constructor;if(i===!1&&(n=this[t]),s??=o.getPropertyOptions(t),!((s.hasChanged??kt)(n,e)||s.useDefault&&s.reflect&&n===this._$Ej?.get(t)&&!this.hasAttribute(o._$Eu(t,s))))return;this.C(t,e,s)}this.isUpdatePending===!1&&(this._$ES=this._$EP())}C(t,e,{useDefault:s,reflect:i,wrapped:n},o){s&&!(this._$Ej??=new Map).has(t)&&(this._$Ej.set(t,o??e??this[t]),n!==!0||o!==void 0)||(this._$AL.has(t)||(this.hasUpdated||s||(e=void 0),this._$AL.set(t,e)),i===!0&&this._$Em!==t&&(this._$Eq??=new Set).add(t))}async _$EP(){this.isUpdatePending=!0;try{await this._$ES}catch(e){Promise.reject(e)}let t=this.scheduleUpdate();return t!=null&&await t,!this.isUpdatePending}scheduleUpdate(){return this.performUpdate()}performUpdate(){if(!this.isUpdatePending)return;if(!this.hasUpdated){if(this.renderRoot??=this.createRenderRoot(),this._$Ep){for(let[i,n]of this._$Ep)this[i]=n;this._$Ep=void 0}let s=this.constructor.elementProperties;if(s.size>0)for(let[i,n]of s){let{wrapped:o}=n,u=this[i];o!==!0||this._$AL.has(i)||u===void 0||this.C(i,void 0,n,u)}}let t=!1,e=this._$AL;try{t=this.shouldUpdate(e),t?(this.willUpdate(e),this._$EO?.forEach(s=>s.hostUpdate?.()),this.update(e)):this._$EM()}catch(s){throw t=!1,this._$EM(),s}t&&this._$AE(e)}willUpdate(t){}_$AE(t){this._$EO?.forEach(e=>e.hostUpdated?.()),this.hasUpdated||(this.hasUpdated=!0,this.firstUpdated(t)),this.updated(t)}_$EM(){this._$AL=new Map,this.isUpdatePending=!1}get updateComplete(){return this.getUpdateComplete()}getUpdateComplete(){return this._$ES}shouldUpdate(t){return!0}update(t){this._$Eq&&=this._$Eq.forEach(e=>this._$ET(e,this[e])),this._$EM()}updated(t){}firstUpdated(t){}};g.elementStyles=[],g.shadowRootOptions={mode:"open"},g[M("elementProperties")]=new Map,g[M("finalized")]=new Map,de?.({ReactiveElement:g}),(V.reactiveElementVersions??=[]).push("2.1.2");/**
 * @license
 * Copyright 2017 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var dt=globalThis,Tt=r=>r,G=dt.trustedTypes,Rt=G?G.createPolicy("lit-html",{createHTML:r=>r}):void 0,Lt="$lit$",v=`lit$${Math.random().toFixed(9).slice(2)}$`,Nt="?"+v,ce=`<${Nt}>`,S=document,L=()=>S.createComment(""),N=r=>r===null||typeof r!="object"&&typeof r!="function",ct=Array.isArray,ue=r=>ct(r)||typeof r?.[Symbol.iterator]=="function",st=`[ 	
\f\r]`,O=/<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g,Pt=/-->/g,Ut=/>/g,x=RegExp(`>|${st}(?:([^\\s"'>=/]+)(${st}*=${st}*(?:[^ 	
\f\r"'\`<>=]|("|')|))|$)`,"g"),Ct=/'/g,Mt=/"/g,Dt=/^(?:script|style|textarea|title)$/i,ut=r=>(t,...e)=>({_$litType$:r,strings:t,values:e}),d=ut(1),qt=ut(2),We=ut(3),E=Symbol.for("lit-noChange"),l=Symbol.for("lit-nothing"),Ot=new WeakMap,A=S.createTreeWalker(S,129);function Ht(r,t){if(!ct(r)||!r.hasOwnProperty("raw"))throw Error("invalid template strings array");return Rt!==void 0?Rt.createHTML(t):t}var he=(r,t)=>{let e=r.length-1,s=[],i,n=t===2?"<svg>":t===3?"<math>":"",o=O;for(let u=0;u<e;u++){let a=r[u],h,p,c=-1,f=0;for(;f<a.length&&(o.lastIndex=f,p=o.exec(a),p!==null);)f=o.lastIndex,o===O?p[1]==="!--"?o=Pt:p[1]!==void 0?o=Ut:p[2]!==void 0?(Dt.test(p[2])&&(i=RegExp("</"+p[2],"g")),o=x):p[3]!==void 0&&(o=x):o===x?p[0]===">"?(o=i??O,c=-1):p[1]===void 0?c=-2:(c=o.lastIndex-p[2].length,h=p[1],o=p[3]===void 0?x:p[3]==='"'?Mt:Ct):o===Mt||o===Ct?o=x:o===Pt||o===Ut?o=O:(o=x,i=void 0);let _=o===x&&r[u+1].startsWith("/>")?" ":"";n+=o===O?a+ce:c>=0?(s.push(h),a.slice(0,c)+Lt+a.slice(c)+v+_):a+v+(c===-2?u:_)}return[Ht(r,n+(r[e]||"<?>")+(t===2?"</svg>":t===3?"</math>":"")),s]},D=class r{constructor({strings:t,_$litType$:e},s){let i;this.parts=[];let n=0,o=0,u=t.length-1,a=this.parts,[h,p]=he(t,e);if(this.el=r.createElement(h,s),A.currentNode=this.el.content,e===2||e===3){let c=this.el.content.firstChild;c.replaceWith(...c.childNodes)}for(;(i=A.nextNode())!==null&&a.length<u;){if(i.nodeType===1){if(i.hasAttributes())for(let c of i.getAttributeNames())if(c.endsWith(Lt)){let f=p[o++],_=i.getAttribute(c).split(v),z=/([.?@])?(.*)/.exec(f);a.push({type:1,index:n,name:z[2],strings:_,ctor:z[1]==="."?nt:z[1]==="?"?ot:z[1]==="@"?at:T}),i.removeAttribute(c)}else c.startsWith(v)&&(a.push({type:6,index:n}),i.removeAttribute(c));if(Dt.test(i.tagName)){let c=i.textContent.split(v),f=c.length-1;if(f>0){i.textContent=G?G.emptyScript:"";for(let _=0;_<f;_++)i.append(c[_],L()),A.nextNode(),a.push({type:2,index:++n});i.append(c[f],L())}}}else if(i.nodeType===8)if(i.data===Nt)a.push({type:2,index:n});else{let c=-1;for(;(c=i.data.indexOf(v,c+1))!==-1;)a.push({type:7,index:n}),c+=v.length-1}n++}}static createElement(t,e){let s=S.createElement("template");return s.innerHTML=t,s}};function k(r,t,e=r,s){if(t===E)return t;let i=s!==void 0?e._$Co?.[s]:e._$Cl,n=N(t)?void 0:t._$litDirective$;return i?.constructor!==n&&(i?._$AO?.(!1),n===void 0?i=void 0:(i=new n(r),i._$AT(r,e,s)),s!==void 0?(e._$Co??=[])[s]=i:e._$Cl=i),i!==void 0&&(t=k(r,i._$AS(r,t.values),i,s)),t}var it=class{constructor(t,e){this._$AV=[],this._$AN=void 0,this._$AD=t,this._$AM=e}get parentNode(){return this._$AM.parentNode}get _$AU(){return this._$AM._$AU}u(t){let{el:{content:e},parts:s}=this._$AD,i=(t?.creationScope??S).importNode(e,!0);A.currentNode=i;let n=A.nextNode(),o=0,u=0,a=s[0];for(;a!==void 0;){if(o===a.index){let h;a.type===2?h=new q(n,n.nextSibling,this,t):a.type===1?h=new a.ctor(n,a.name,a.strings,this,t):a.type===6&&(h=new lt(n,this,t)),this._$AV.push(h),a=s[++u]}o!==a?.index&&(n=A.nextNode(),o++)}return A.currentNode=S,i}p(t){let e=0;for(let s of this._$AV)s!==void 0&&(s.strings!==void 0?(s._$AI(t,s,e),e+=s.strings.length-2):s._$AI(t[e])),e++}},q=class r{get _$AU(){return this._$AM?._$AU??this._$Cv}constructor(t,e,s,i){this.type=2,this._$AH=l,this._$AN=void 0,this._$AA=t,this._$AB=e,this._$AM=s,this.options=i,this._$Cv=i?.isConnected??!0}get parentNode(){let t=this._$AA.parentNode,e=this._$AM;return e!==void 0&&t?.nodeType===11&&(t=e.parentNode),t}get startNode(){return this._$AA}get endNode(){return this._$AB}_$AI(t,e=this){t=k(this,t,e),N(t)?t===l||t==null||t===""?(this._$AH!==l&&this._$AR(),this._$AH=l):t!==this._$AH&&t!==E&&this._(t):t._$litType$!==void 0?this.$(t):t.nodeType!==void 0?this.T(t):ue(t)?this.k(t):this._(t)}O(t){return this._$AA.parentNode.insertBefore(t,this._$AB)}T(t){this._$AH!==t&&(this._$AR(),this._$AH=this.O(t))}_(t){this._$AH!==l&&N(this._$AH)?this._$AA.nextSibling.data=t:this.T(S.createTextNode(t)),this._$AH=t}$(t){let{values:e,_$litType$:s}=t,i=typeof s=="number"?this._$AC(t):(s.el===void 0&&(s.el=D.createElement(Ht(s.h,s.h[0]),this.options)),s);if(this._$AH?._$AD===i)this._$AH.p(e);else{let n=new it(i,this),o=n.u(this.options);n.p(e),this.T(o),this._$AH=n}}_$AC(t){let e=Ot.get(t.strings);return e===void 0&&Ot.set(t.strings,e=new D(t)),e}k(t){ct(this._$AH)||(this._$AH=[],this._$AR());let e=this._$AH,s,i=0;for(let n of t)i===e.length?e.push(s=new r(this.O(L()),this.O(L()),this,this.options)):s=e[i],s._$AI(n),i++;i<e.length&&(this._$AR(s&&s._$AB.nextSibling,i),e.length=i)}_$AR(t=this._$AA.nextSibling,e){for(this._$AP?.(!1,!0,e);t!==this._$AB;){let s=Tt(t).nextSibling;Tt(t).remove(),t=s}}setConnected(t){this._$AM===void 0&&(this._$Cv=t,this._$AP?.(t))}},T=class{get tagName(){return this.element.tagName}get _$AU(){return this._$AM._$AU}constructor(t,e,s,i,n){this.type=1,this._$AH=l,this._$AN=void 0,this.element=t,this.name=e,this._$AM=i,this.options=n,s.length>2||s[0]!==""||s[1]!==""?(this._$AH=Array(s.length-1).fill(new String),this.strings=s):this._$AH=l}_$AI(t,e=this,s,i){let n=this.strings,o=!1;if(n===void 0)t=k(this,t,e,0),o=!N(t)||t!==this._$AH&&t!==E,o&&(this._$AH=t);else{let u=t,a,h;for(t=n[0],a=0;a<n.length-1;a++)h=k(this,u[s+a],e,a),h===E&&(h=this._$AH[a]),o||=!N(h)||h!==this._$AH[a],h===l?t=l:t!==l&&(t+=(h??"")+n[a+1]),this._$AH[a]=h}o&&!i&&this.j(t)}j(t){t===l?this.element.removeAttribute(this.name):this.element.setAttribute(this.name,t??"")}},nt=class extends T{constructor(){super(...arguments),this.type=3}j(t){this.element[this.name]=t===l?void 0:t}},ot=class extends T{constructor(){super(...arguments),this.type=4}j(t){this.element.toggleAttribute(this.name,!!t&&t!==l)}},at=class extends T{constructor(t,e,s,i,n){super(t,e,s,i,n),this.type=5}_$AI(t,e=this){if((t=k(this,t,e,0)??l)===E)return;let s=this._$AH,i=t===l&&s!==l||t.capture!==s.capture||t.once!==s.once||t.passive!==s.passive,n=t!==l&&(s===l||i);i&&this.element.removeEventListener(this.name,this,s),n&&this.element.addEventListener(this.name,this,t),this._$AH=t}handleEvent(t){typeof this._$AH=="function"?this._$AH.call(this.options?.host??this.element,t):this._$AH.handleEvent(t)}},lt=class{constructor(t,e,s){this.element=t,this.type=6,this._$AN=void 0,this._$AM=e,this.options=s}get _$AU(){return this._$AM._$AU}_$AI(t){k(this,t)}};var pe=dt.litHtmlPolyfillSupport;pe?.(D,q),(dt.litHtmlVersions??=[]).push("3.3.3");var It=(r,t,e)=>{let s=e?.renderBefore??t,i=s._$litPart$;if(i===void 0){let n=e?.renderBefore??null;s._$litPart$=i=new q(t.insertBefore(L(),n),n,void 0,e??{})}return i._$AI(r),i};/**
 * @license
 * Copyright 2017 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var ht=globalThis,b=class extends g{constructor(){super(...arguments),this.renderOptions={host:this},this._$Do=void 0}createRenderRoot(){let t=super.createRenderRoot();return this.renderOptions.renderBefore??=t.firstChild,t}update(t){let e=this.render();this.hasUpdated||(this.renderOptions.isConnected=this.isConnected),super.update(t),this._$Do=It(e,this.renderRoot,this.renderOptions)}connectedCallback(){super.connectedCallback(),this._$Do?.setConnected(!0)}disconnectedCallback(){super.disconnectedCallback(),this._$Do?.setConnected(!1)}render(){return E}};b._$litElement$=!0,b.finalized=!0,ht.litElementHydrateSupport?.({LitElement:b});var me=ht.litElementPolyfillSupport;me?.({LitElement:b});(ht.litElementVersions??=[]).push("4.2.2");/**
 * @license
 * Copyright 2022 Google LLC
 * SPDX-License-Identifier: BSD-3-Clause
 */var K=class extends Error{constructor(t,e){super(e.message),this.name="Refused",this.status=t,this.error=e}},fe="offline",$="/api/v1/free",J=class{#e;#r;constructor(t,e=null){this.#e=t.replace(/\/+$/,""),this.#r=e}limits(){return this.#t("GET",`${$}/limits`)}usage(t){return this.#t("GET",`${$}/usage?days=${t}`)}offer(t){return this.#t("GET",`${$}/offer?interval=${t}`)}checkout(t,e){return this.#t("POST",`${$}/checkout`,{plan:t,interval:e})}lead(t,e){return this.#t("POST",`${$}/leads`,{email:t,consent:!0,source:e})}register(t){return this.#t("POST",`${$}/register`,{email:t})}rate(t,e,s){let i=s===void 0?{}:{comment:s};return this.#t("POST",`${$}/feedback`,{request_id:t,rating:e,...i})}session(){return this.#t("POST",`${$}/session`)}tell(t){let e={...this.#s("POST",t),keepalive:!0};fetch(`${this.#e}${$}/events`,e).catch(()=>{})}async complete(t,e,s){let i=this.#s("POST",t),n={...i.headers};return e&&(n["cache-control"]="no-cache"),this.#i("/v1/chat/completions",{...i,headers:n,signal:s})}async#t(t,e,s){let i=await this.#i(e,this.#s(t,s));return i.status===204?null:await i.json().catch(()=>null)}#s(t,e){let s={};e!==void 0&&(s["content-type"]="application/json"),this.#r!==null&&(s.authorization=`Bearer ${this.#r}`);let i={method:t,headers:s,credentials:"same-origin"};return e===void 0?i:{...i,body:JSON.stringify(e)}}async#i(t,e){let s;try{s=await fetch(this.#e+t,e)}catch(i){throw i instanceof DOMException&&i.name==="AbortError"?i:new K(0,{message:"The service cannot be reached. Check your connection and try again.",code:fe,retryable:!0})}if(s.ok)return s;throw new K(s.status,await ge(s))}};async function ge(r){try{let{error:t}=await r.json();if(typeof t?.message=="string")return t}catch{}return{message:`The service answered ${r.status}. Try again in a moment.`,code:null}}var R=y`
  :host {
    --_surface: var(--sx-surface, light-dark(#ffffff, #161a2e));
    --_inset: var(--sx-inset, light-dark(#f0f2f9, #1d2139));
    --_text: var(--sx-text, light-dark(#161a2c, #eceefa));
    --_muted: var(--sx-muted, light-dark(#545a73, #aab0cc));
    --_line: var(--sx-line, light-dark(#dde1ed, #2d3254));
    --_edge: var(--sx-edge, light-dark(#7d849d, #7d84aa));
    --_accent: var(--sx-accent, light-dark(#4a44d4, #a9adff));
    --_accent-text: var(--sx-accent-text, light-dark(#ffffff, #13152c));
    --_accent-soft: var(--sx-accent-soft, light-dark(#ecebfd, #252a52));
    --_gradient: var(--sx-gradient, none);
    --_ok: var(--sx-ok, light-dark(#13703f, #74d9a3));
    --_amber: var(--sx-warn, light-dark(#7f4d00, #f2c06a));
    --_amber-soft: var(--sx-warn-soft, light-dark(#fdf1da, #342810));
    --_red: var(--sx-danger, light-dark(#ad1f2d, #ff9ea6));
    --_red-soft: var(--sx-danger-soft, light-dark(#fde9ea, #3a171c));
    --_radius: var(--sx-radius, 0.75rem);
    --_radius-small: var(--sx-radius-small, 0.5rem);
    --_target: var(--sx-target, 2.75rem);
    --_small: var(--sx-small, 0.875rem);
    --_mono: var(--sx-mono, ui-monospace, "SF Mono", Menlo, Consolas, monospace);
    display: block;
    color: var(--_text);
    font: var(--sx-base, 1rem) / 1.6 var(--sx-font, system-ui, sans-serif);
    text-align: start;
  }
  :host([hidden]) { display: none; }
  *, ::before, ::after { box-sizing: border-box; }
  h2, h3, p, ul, dl, dd { margin: 0; }
  ul { padding: 0; list-style: none; }
  button, input, textarea, select { font: inherit; color: inherit; }
  button {
    min-height: var(--_target);
    padding: 0.5rem 1.1rem;
    border: 1px solid var(--_edge);
    border-radius: var(--_radius-small);
    background: var(--_surface);
    font-weight: 550;
    cursor: pointer;
  }
  button:hover:not(:disabled) { background: var(--_inset); }
  button:disabled { opacity: 0.55; cursor: default; }
  button.primary {
    border-color: transparent;
    background: var(--_accent) var(--_gradient);
    color: var(--_accent-text);
  }
  button.primary:hover:not(:disabled) { background: var(--_accent) var(--_gradient); filter: brightness(1.06); }
  button.quiet { border-color: transparent; background: none; color: var(--_muted); font-weight: inherit; padding-inline: 0.5rem; }
  a { color: var(--_accent); }
  :focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
  .card {
    padding: 1.25rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
  }
  .muted { color: var(--_muted); }
  .spoken {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  progress {
    --_fill: var(--_ok);
    appearance: none;
    display: block;
    width: 100%;
    height: 0.5rem;
    border: 0;
    border-radius: 1rem;
    overflow: hidden;
    background: var(--_line);
  }
  progress::-webkit-progress-bar { background: var(--_line); }
  progress::-webkit-progress-value { background: var(--_fill); border-radius: 1rem; }
  progress::-moz-progress-bar { background: var(--_fill); border-radius: 1rem; }
  progress.amber { --_fill: var(--_amber); }
  progress.red { --_fill: var(--_red); }
  @media (forced-colors: active) {
    .card, progress { border: 1px solid CanvasText; }
    button { border-color: ButtonText; }
    progress { --_fill: Highlight; forced-color-adjust: none; }
  }
  @media (prefers-reduced-motion: reduce) {
    *, ::before, ::after { animation: none !important; transition: none !important; }
  }
`;var pt="scalix-changed",H=class extends b{static{this.styles=[R]}static{this.properties={baseUrl:{attribute:"base-url"},token:{attribute:!1},data:{attribute:!1},upgradeUrl:{attribute:"upgrade-url"}}}constructor(){super(),this.baseUrl=null,this.token=null,this.data=null,this.upgradeUrl="/upgrade"}get service(){return this.baseUrl===null?null:new J(this.baseUrl,this.token)}fallback(){return d`<slot></slot>`}emit(t,e){return this.dispatchEvent(new CustomEvent(t,{detail:e,bubbles:!0,composed:!0,cancelable:!0}))}upgrade(t,e){this.record({trigger:t??"NONE",action:"click",message_id:e}),this.emit("scalix-upgrade",{trigger:t,message_id:e})&&this.baseUrl!==null&&location.assign(new URL(this.upgradeUrl,new URL(this.baseUrl,location.href)))}record(t){this.emit("scalix-prompt",t),t.trigger!=="NONE"&&this.service?.tell(t)}};function mt(r,t){customElements.get(r)===void 0&&customElements.define(r,t)}function I(r,t){return r===null?l:d`<time datetime=${r}>${t}</time>`}var Wt="scalix-free.";function jt(r){try{return localStorage.getItem(Wt+r)}catch{return null}}function zt(r,t){try{localStorage.setItem(Wt+r,t)}catch{}}function Ft(r){return r==null?{}:"limits"in r||"usage"in r||"offer"in r?r:{limits:r}}function Vt(r){return Ft(r).usage??null}function Gt(r){let{limits:t}=Ft(r);return t===void 0?null:"tier"in t?$e(t):_e(t)}function $e(r){let{windows:t}=r,e=U(t,"requests_day");return Kt(t,{tier:r.tier,binding:r.binding,remaining:e===null?r.remaining_requests:e.remaining,near:r.near_limit,resetAt:r.reset_time})}function _e(r){let t=r.windows??ve(r);return Kt(t,{tier:null,binding:null,remaining:r.remainingRequests??U(t,"requests_day")?.remaining??null,near:r.nearLimit??!1,resetAt:Jt(r.resetTime)})}function ve(r){let t=Jt(r.resetTime),e=(s,i,n,o)=>({name:s,unit:i,used:n,limit:o??null,remaining:o==null?null:Math.max(0,o-n),resets_at:t});return[e("requests_day","requests",r.requestsToday??0,r.requestsLimit),e("tokens_day","tokens",r.tokensUsed??0,r.tokensLimit)]}function Kt(r,t){let e=r.filter(s=>s.unit!=="calls"&&s.limit!==null);return{tier:t.tier,windows:r,day:U(r,"requests_day"),tokens:U(r,"tokens_day"),remaining:t.remaining,near:t.near,empty:t.remaining===0||e.some(s=>s.remaining===0),resetAt:t.resetAt,tighter:be(e,t.binding),level:ft(Math.max(0,...e.map(P)))}}function be(r,t){let e=U(r,"tokens_day"),s=t===null?null:U(r,t),i=s===null?0:P(s);return e!==null&&P(e)>=.75&&P(e)>i?e:s===null||s.name==="requests_day"?null:s}function P(r){return r.limit===null?0:r.limit===0?1:Math.min(1,r.used/r.limit)}function ft(r){return r>=.9?"red":r>=.75?"amber":"ok"}function U(r,t){return r.find(e=>e.name===t)??null}function Jt(r){if(r==null)return null;let t=new Date(r);return Number.isNaN(t.valueOf())?null:t.toISOString()}var Bt={ok:0,amber:1,red:2};function Yt(r,t){return t.empty&&!r?.empty?"at_limit":!t.empty&&r?.empty?"reset":t.near&&!r?.near?"near_limit":Bt[t.level]>Bt[r?.level??"ok"]?t.level:null}function m(r){return Math.round(r).toLocaleString("en-US")}function W(r,t){return`${m(r)} ${t}${r===1?"":"s"}`}function Xt(r){return r.limit===null?m(r.used):`${m(r.used)}/${m(r.limit)}`}function j(r,t){let e=new Date(r);if(Number.isNaN(e.valueOf()))return"N/A";let s=e.toLocaleTimeString([],{hour:"2-digit",minute:"2-digit"});return e.toDateString()===t.toDateString()?s:`${e.toLocaleDateString([],{weekday:"short",day:"numeric",month:"short"})}, ${s}`}function gt(r,t){let e=Math.ceil((new Date(r).valueOf()-t.valueOf())/1e3);if(!(e>0))return"now";if(e<60)return`in ${e} s`;let s=Math.ceil(e/60);if(s<60)return`in ${s} min`;let i=Math.floor(s/60);return i<48?s%60===0?`in ${i} h`:`in ${i} h ${s%60} min`:`in ${Math.ceil(i/24)} days`}var ye={requests_hour:"Requests This Hour",requests_day:"Requests Today",tokens_day:"Tokens Used",concurrent:"At The Same Time"};function Zt(r){return ye[r.name]??r.name.replaceAll("_"," ")}function Y(r){let{remaining:t,limit:e}=r,s=e===null?"":` of ${m(e)}`,i=r.unit==="tokens"?" tokens":"",n=r.name==="requests_hour"?" this hour":r.name.endsWith("_day")?" today":"";return`${m(t??0)}${s}${i} left${n}`}function Qt(r){return r<100?`${Math.round(r)} ms`:`${(r/1e3).toFixed(1)} s`}var xe=2147483647,w=class extends H{constructor(){super();this.now=null;this.#r=()=>{document.visibilityState==="visible"&&this.refresh()};this.fetched=null,this.failed=!1,this.said=""}static{this.properties={...H.properties,fetched:{state:!0},failed:{state:!0},said:{state:!0}}}#e;connectedCallback(){super.connectedCallback(),document.addEventListener(pt,this.#r),document.addEventListener("visibilitychange",this.#r),this.hasUpdated&&this.refresh()}disconnectedCallback(){super.disconnectedCallback(),document.removeEventListener(pt,this.#r),document.removeEventListener("visibilitychange",this.#r),clearTimeout(this.#e)}async refresh(){let{service:e}=this;if(!(e===null||this.data!==null))try{await this.load(),this.failed=!1}catch{this.failed=!0}}async load(){this.fetched=await this.service?.limits()??null}#r;willUpdate(e){if((e.has("baseUrl")||e.has("token"))&&this.refresh(),!e.has("data")&&!e.has("fetched"))return;let s=this.now;if(this.now=Gt(this.data??this.fetched),this.now===null)return;let i=Yt(s,this.now);i!==null&&this.#t(i,this.now,s===null),this.#s(this.now)}#t(e,s,i){i||(this.said=Ae(e,s)),this.emit("scalix-threshold",{threshold:e,standing:s})}#s({windows:e}){clearTimeout(this.#e);let s=e.filter(n=>n.used>0&&n.resets_at!==null).map(n=>new Date(n.resets_at??"").valueOf()-Date.now()).filter(n=>n>0);if(s.length===0)return;let i=Math.min(Math.min(...s)+1e3,xe);this.#e=setTimeout(()=>{this.refresh()},i)}};function Ae(r,{remaining:t,tighter:e,day:s}){let i=e??s,n=i===null?`${t??0} left`:Y(i);switch(r){case"at_limit":return`Free limit reached: ${n}.`;case"reset":return`Free requests are back: ${n}.`;case"near_limit":return`Almost out of free requests: ${n}.`;default:return`Free requests: ${n}.`}}var Se=7*864e5,X="banner-near-limit",Z=class extends w{static{this.styles=[R,y`
      .banner {
        display: flex;
        flex-wrap: wrap;
        gap: 0.5rem 1rem;
        align-items: center;
        justify-content: space-between;
        padding: 0.625rem 1rem;
        border: 1px solid var(--_line);
        border-inline-start: 0.25rem solid var(--_accent);
        border-radius: var(--_radius);
        background: var(--_surface);
      }
      .banner.amber { border-inline-start-color: var(--_amber); }
      .banner.red { border-inline-start-color: var(--_red); }
      .free-tier-info { display: flex; flex-wrap: wrap; gap: 0.125rem 0.875rem; align-items: baseline; }
      .tier { font-weight: 600; }
      .amber .remaining { color: var(--_amber); }
      .red .remaining { color: var(--_red); }
      .actions { display: flex; gap: 0.5rem; }
      button { min-height: 2.25rem; padding: 0.25rem 0.875rem; }
      @media (pointer: coarse) { button { min-height: 2.75rem; } }
    `]}#e=null;render(){let{now:t}=this;if(t===null)return this.fallback();let e=t.near||t.empty;return d`
      <div class="banner ${e?"warning":"info"} ${t.level}" part="banner">
        <div class="free-tier-info">
          <span class="tier" part="tier">${Ee(t)}</span>
          <span class="remaining" part="remaining">${we(t)}</span>
          ${ke(t)}
        </div>
        ${e&&!te()?this.#r(t):l}
      </div>
      <span class="spoken" role="status">${this.said}</span>
    `}#r(t){let e=t.empty?"upgrade-button primary":"upgrade-button";return d`<div class="actions">
      <button type="button" class=${e} part="upgrade" @click=${this.#t}>Upgrade to Pro</button>
      ${t.empty?l:d`<button type="button" class="quiet" part="dismiss" @click=${this.#s}>Not now</button>`}
    </div>`}updated(t){super.updated(t);let{now:e}=this;if(e===null||!(e.near||e.empty)||te())return;let s=$t(e);this.#e!==s&&(this.#e=s,this.record({trigger:s,action:"impression",message_id:X}))}#t=()=>{this.upgrade(this.now===null?null:$t(this.now),X)};#s=()=>{zt("banner-dismissed",String(Date.now()));let t=this.now===null?"NEAR_LIMIT":$t(this.now);this.record({trigger:t,action:"dismissal",message_id:X}),this.emit("scalix-dismiss",{trigger:t,message_id:X}),this.requestUpdate()}};function $t(r){return r.empty?"AT_LIMIT":"NEAR_LIMIT"}function te(){let r=Number(jt("banner-dismissed")??Number.NaN);return Date.now()-r<Se}function Ee(r){return r.tier==="pro"?"Pro":"🚀 Free Tier"}function we(r){return r.remaining===null?"Requests: Included":`${r.remaining} ${r.remaining===1?"request":"requests"} remaining today`}function ke(r){let t=r.tighter??(r.empty||r.near?r.day:null);if(t===null)return l;let{resets_at:e}=t,s=e===null?l:d`next at ${I(e,j(e,new Date))}`;if(r.tighter===null)return d`<span class="muted" part="window">${s}</span>`;let i=e===null?l:d`, ${s}`;return d`<span class="muted" part="window">${Y(t)}${i}</span>`}var _t=20,vt=4,bt=80;function ee(r){let t=Math.max(1,...r.map(s=>s.requests)),e=r.length*(_t+vt)-vt;return d`
    <svg class="bars" part="bars" viewBox="0 0 ${Math.max(1,e)} ${bt}" role="img"
      aria-label="Requests of the last ${r.length} days; the table below has the numbers">
      ${r.map((s,i)=>{let n=s.requests===0?1:Math.max(2,s.requests/t*bt);return qt`<rect x=${i*(_t+vt)} y=${bt-n} width=${_t} height=${n} rx="2">
          <title>${s.date}: ${W(s.requests,"request")}</title></rect>`})}
    </svg>
    <details>
      <summary>As a table</summary>
      <table>
        <thead><tr><th scope="col">Day (UTC)</th><th scope="col">Requests</th><th scope="col">Tokens</th></tr></thead>
        <tbody>
          ${r.map(s=>d`<tr>
              <th scope="row">${s.date}</th>
              <td>${m(s.requests)}</td>
              <td>${m(s.tokens)}</td>
            </tr>`)}
        </tbody>
      </table>
    </details>
  `}var Te=14,Re="usage-dashboard",Q=class extends w{static{this.properties={...w.properties,log:{state:!0}}}static{this.styles=[R,y`
      h3 { font-size: 1.25rem; }
      h4 { margin: 1.5rem 0 0.5rem; font-size: 1rem; }
      .usage-dashboard { display: grid; gap: 1rem; }
      .usage-stats { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); }
      .stat { display: grid; gap: 0.25rem; align-content: start; padding: 0.875rem; border-radius: var(--_radius); background: var(--_inset); }
      .label { color: var(--_muted); font-size: 0.875rem; }
      .value { font-size: 1.375rem; font-weight: 650; font-variant-numeric: tabular-nums; }
      .amber .value { color: var(--_amber); }
      .red .value { color: var(--_red); }
      .detail { color: var(--_muted); font-size: 0.875rem; }
      .bars { display: block; width: 100%; max-height: 6rem; }
      .bars rect { fill: var(--_accent); }
      summary { min-height: 1.75rem; padding: 0.25rem 0; cursor: pointer; color: var(--_muted); font-size: 0.875rem; }
      .scroll { overflow-x: auto; }
      table { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
      th, td { padding: 0.375rem 0.75rem 0.375rem 0; border-top: 1px solid var(--_line); text-align: start; font-variant-numeric: tabular-nums; }
      thead th { border-top: 0; color: var(--_muted); font-weight: 500; white-space: nowrap; }
      tbody th { font-weight: 400; }
      @media (max-width: 34rem) {
        .receipts thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        .receipts tr { display: grid; grid-template-columns: 7rem 1fr; padding: 0.5rem 0; border-top: 1px solid var(--_line); }
        .receipts th, .receipts td { grid-column: 2; padding: 0.125rem 0; border: 0; overflow-wrap: anywhere; }
        .receipts [data-label]::before { content: attr(data-label); margin-inline-start: -7rem; display: inline-block; width: 7rem; color: var(--_muted); }
      }
      @media print { button { display: none; } }
      @media (forced-colors: active) { .stat { border: 1px solid CanvasText; } .bars rect { fill: CanvasText; } }
    `]}constructor(){super(),this.log=null}async load(){let t=this.service?.usage(Te).catch(()=>null);await super.load(),this.log=await t??null}render(){let{now:t}=this;if(t===null)return this.fallback();let e=Vt(this.data)??this.log;return d`
      <section class="usage-dashboard card" part="dashboard" aria-labelledby="title">
        <h3 id="title">Your Free Usage</h3>
        <div class="usage-stats" part="stats">
          ${yt("Requests Today",t.day)} ${yt("Tokens Used",t.tokens)} ${Me(t)}
          ${t.windows.filter(Ue).map(s=>yt(Zt(s),s))}
        </div>
        ${e===null||e.days.length===0?l:d`<div part="history"><h4>The last ${e.days.length} days</h4>${ee(e.days)}</div>`}
        ${e===null?l:Oe(e.receipts)}
        ${t.tier==="pro"?l:d`<div>
              <button type="button" class="upgrade-button ${t.near||t.empty?"primary":""}" part="upgrade"
                @click=${()=>this.upgrade(Pe(t),Re)}>
                Upgrade to Unlimited Usage
              </button>
            </div>`}
      </section>
      <span class="spoken" role="status">${this.said}</span>
    `}};function Pe(r){return r.empty?"AT_LIMIT":r.near?"NEAR_LIMIT":null}function Ue({name:r}){return r!=="requests_day"&&r!=="tokens_day"}function yt(r,t){if(t===null)return l;let e=t.unit==="calls"?"ok":ft(P(t)),{limit:s,used:i}=t;return d`<div class="stat ${e}" part="stat">
    <span class="label">${r}</span>
    <span class="value">${Xt(t)}</span>
    ${s===null?l:d`<progress class=${e} max=${Math.max(1,s)} value=${Math.min(i,s)}
          aria-label="${r}: ${m(i)} of ${m(s)} used"></progress>`}
    ${Ce(t)}
  </div>`}function Ce({remaining:r,limit:t,resets_at:e,unit:s}){if(t===null)return l;let n=e===null||s==="calls"?"":`, more ${gt(e,new Date)}`;return d`<span class="detail">${m(r??0)} left${n}</span>`}function Me({resetAt:r}){let t=new Date;return d`<div class="stat" part="stat">
    <span class="label">Reset Time</span>
    <span class="value">${r===null?"N/A":I(r,j(r,t))}</span>
    ${r===null?l:d`<span class="detail">${gt(r,t)}, ${r.slice(11,16)} UTC</span>`}
  </div>`}function Oe(r){if(r.length===0)return d`<p class="muted">No requests yet. Your receipts will stand here.</p>`;let t=new Date;return d`<div class="receipts" part="receipts">
    <h4>${r.length===1?"The last request":`The last ${r.length} requests`}</h4>
    <div class="scroll" role="region" aria-label="Receipts" tabindex="0">
      <table>
        <thead>
          <tr><th scope="col">When</th><th scope="col">Model</th><th scope="col">Outcome</th><th scope="col">Tokens</th><th scope="col">Charged</th><th scope="col">Time</th></tr>
        </thead>
        <tbody>
          ${r.map(e=>d`<tr>
              <th scope="row" data-label="When">${I(e.at,j(e.at,t))}</th>
              <td data-label="Model">${e.model??"–"}</td>
              <td data-label="Outcome">${Le(e)}</td>
              <td data-label="Tokens">${m((e.prompt_tokens??0)+(e.completion_tokens??0))}</td>
              <td data-label="Charged">${Ne(e)}</td>
              <td data-label="Time">${e.total_ms===null?"–":Qt(e.total_ms)}</td>
            </tr>`)}
        </tbody>
      </table>
    </div>
  </div>`}function Le({outcome:r,cache:t,attempts:e}){let s=t==="hit"?", from memory":(e??1)>1?`, attempt ${e}`:"";return r+s}function Ne({charged_requests:r,charged_tokens:t}){let e=r??0,s=t??0;return e===0&&s===0?"not charged":`${W(e,"request")}, ${W(s,"token")}`}mt("scalix-banner",Z);mt("scalix-usage",Q);})();
